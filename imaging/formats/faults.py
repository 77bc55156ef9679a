"""Faults of decoders that are not ours, of whatever kind they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from imaging.errors import ImageError

_MOST_LETTERS = 200


@contextmanager
def mean_damage(kind: str, *, quoted: bool) -> Iterator[None]:
    """Any exception means that the image is damaged; `quoted` if its words may be shown.

    Raises:
        ImageError: there was one.
    """
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - Pillow and pydicom raise what they like
        reason = str(error).partition("\n")[0]
        # Pillow's "cannot identify" names an object of Python.
        shown = quoted and reason.isprintable() and "BytesIO" not in reason
        more = f": {reason[:_MOST_LETTERS]}" if shown and reason else ""
        raise ImageError("corrupt", f"the {kind} is damaged{more}") from None
