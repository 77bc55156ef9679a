"""A file that is written whole or not at all: half a file looks like a whole one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from base.console import interrupt
from base.permissions import take_over


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Where to write what is to be at `output`: a draft beside it, which then takes its place.

    It keeps the permissions of what was there. What is there and no regular file, such as
    /dev/stdout or a pipe, is written to itself: the draft would take the device's place.

    Raises:
        OSError: the draft cannot take the place; it is gone then, and what was there is not.
    """
    if output.exists() and not output.is_file():
        yield output
        return
    output = output.resolve()  # a symbolic link stays one
    draft = output.with_name(f".{output.name}.part")
    with interrupt.unwound():
        try:
            yield draft
            take_over(draft, output)
            draft.replace(output)
        finally:
            draft.unlink(missing_ok=True)
