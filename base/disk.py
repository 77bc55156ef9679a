"""Why a file cannot be written, and what to do about it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import click

_ROOM = "make room there, or write to another disk"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "write to another folder",
    errno.EACCES: "write to a folder that is yours",
    errno.EPERM: "write to a folder that is yours",
}


def reason_of(error: Exception) -> str:
    """One line: the system's message, with advice if there is any."""
    code, words = getattr(error, "errno", None), getattr(error, "strerror", None)
    said = " ".join(str(words or error).split())[:400]
    if code is None and "No space left" in said:  # HDF5 and Arrow have their own errors
        code = errno.ENOSPC
    advice = _ADVICE.get(code or 0)
    return f"{said}: {advice}" if advice else said


@contextmanager
def says_why(failed: str) -> Iterator[None]:
    """If the block raises an OSError, end the command with one line: what failed, and why."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{failed}: {reason_of(error)}") from error
