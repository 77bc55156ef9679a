"""GIF and WebP: the size of the picture, and a GIF's first frame without what comes before it."""

from imaging.errors import ImageError

_EXTENSION, _IMAGE = 0x21, 0x2C
# Bytes of comments and applications before a GIF's first frame.
_MOST_BEFORE = 5_000_000
_TABLE = 0x80  # the flag of a colour table, whose size the lowest three bits give
_DESCRIPTOR = 10  # bytes, of a frame


def first_frame(gif: bytes) -> tuple[bytes, tuple[int, int]]:
    """A GIF from which all before its first frame was left out, and its size in pixels.

    Raises:
        ImageError: it is damaged.
    """
    head = 13 + (_table_size(gif[10]) if len(gif) > 10 else 0)
    at = head
    while gif[at : at + 1] == bytes([_EXTENSION]) and at < head + _MOST_BEFORE:
        at = _end_of_blocks(gif, at + 2, head + _MOST_BEFORE)
    if len(gif) < at + _DESCRIPTOR or gif[at] != _IMAGE:
        raise ImageError("corrupt", "the GIF has no frame, or is damaged before it")
    canvas, (left, top, *frame) = _pairs(gif, 6, 2), _pairs(gif, at + 1, 4)
    sides = (
        max(whole, start + part)
        for whole, start, part in zip(canvas, (left, top), frame, strict=True)
    )
    width, height = sides
    return gif[:head] + gif[at:], (width, height)


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP's canvas.

    Raises:
        ImageError: it is damaged.
    """
    kind, body = data[12:16], data[20:30]
    if len(body) == 10 and kind == b"VP8X":
        return _number(body[4:7]) + 1, _number(body[7:10]) + 1
    if len(body) == 10 and kind == b"VP8L":
        bits = _number(body[1:5])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if len(body) == 10 and kind == b"VP8 ":
        return _number(body[6:8]) & 0x3FFF, _number(body[8:10]) & 0x3FFF
    raise ImageError("corrupt", "the WebP header is damaged")


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _TABLE else 0


def _end_of_blocks(gif: bytes, at: int, end: int) -> int:
    """Where the blocks from `at` on end, each a byte of length and its data; the last is empty."""
    while at < min(end, len(gif)) and gif[at]:
        at += 1 + gif[at]
    return at + 1


def _pairs(gif: bytes, at: int, count: int) -> list[int]:
    return [_number(gif[start : start + 2]) for start in range(at, at + 2 * count, 2)]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
