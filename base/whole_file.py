"""Writes a file whole or not at all: half a file looks like a whole one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from base.console import interrupt
from base.permissions import take_over


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Yields a draft next to `output` to write to, which then replaces it.

    It keeps the permissions of the old file. An existing `output` that is not a regular file, such
    as /dev/stdout or a pipe, is written to directly: the draft would replace the device.

    Raises:
        OSError: the draft cannot replace it; the draft is removed and the old file stays.
    """
    if output.exists() and not output.is_file():
        yield output
        return
    output = output.resolve()  # a symbolic link stays a link
    draft = output.with_name(f".{output.name}.part")
    with interrupt.unwound():
        try:
            yield draft
            take_over(draft, output)
            draft.replace(output)
        finally:
            draft.unlink(missing_ok=True)
