"""Output of a command when the terminal or the disk behind it cannot take it."""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from base.console.foreign import for_terminal
from base.console.lazy_group import LazyGroup
from base.console.telling import tell
from base.disk import reason_of

_PLAIN_FORMS = "dermscore.plain"
# click assumes that an ASCII terminal is a mistake and sends UTF-8; not under another name.
_ASCII = "dermscore_ascii"
_PLAIN = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "─": "-", "━": "-", "│": "|", "×": "x", "·": ".",
    "•": "*", "…": "...", "≥": ">=", "≤": "<=", "≈": "~", "±": "+/-", "→": "->", "‘": "'",
    "’": "'", "“": '"', "”": '"', "\xa0": " ",
}  # fmt: skip


class Program(LazyGroup):
    """The group of commands of a program."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command that was typed; no output can end it with a traceback."""
        show_plain_forms()
        try:
            return super().main(*args, **options)
        except OSError as error:
            _write_no_more(sys.stdout)  # what is left in its buffer would fail once more
            _tell(error)
            sys.exit(1)
        finally:
            _flush_or_tell()

    def make_context(self, *args: Any, **options: Any) -> click.Context:  # noqa: ANN401 - click's
        """Read the arguments."""
        with _errors_on_one_line():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run what was asked for."""
        with _errors_on_one_line():
            return super().invoke(ctx)


@contextmanager
def _errors_on_one_line() -> Iterator[None]:
    """Escape errors, which mostly quote foreign text: paths, rows, servers' answers."""
    try:
        yield
    except click.ClickException as error:
        # Through its dictionary, because click's types declare the message final.
        vars(error)["message"] = for_terminal(error.message)
        raise


def show_plain_forms() -> None:
    """Replace characters that the encoding lacks: a hyphen for the minus sign, else an escape.

    An error handler in `PYTHONIOENCODING` takes precedence.
    """
    codecs.register_error(_PLAIN_FORMS, _plain_forms)
    codecs.register(_find_ascii)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None or stream.errors not in {"strict", "backslashreplace"}:
            continue
        ascii_only = codecs.lookup(stream.encoding).name == "ascii"
        reconfigure(encoding=_ASCII if ascii_only else None, errors=_PLAIN_FORMS)


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    found = codecs.lookup("ascii")
    return codecs.CodecInfo(
        found.encode,
        found.decode,
        incrementalencoder=found.incrementalencoder,
        incrementaldecoder=found.incrementaldecoder,
        name=_ASCII,
    )


def _plain_forms(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter) or _spelled(letter) for letter in letters), error.end


def _spelled(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode()


def _flush_or_tell() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has read enough, like `head`
        _write_no_more(sys.stdout)
    except OSError as error:
        _write_no_more(sys.stdout)
        _tell(error)
        sys.exit(1)


def _tell(error: OSError) -> None:
    what = error.filename or "standard output"  # for other files commands add the name themselves
    tell(f"Error: {what} cannot be written: {reason_of(error)}", err=True)


def _write_no_more(stream: TextIO) -> None:
    """Stop writing: Python would try once more at its end, and report it in its own words."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
