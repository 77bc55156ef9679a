"""JPEG 2000: its size, and refusal of what takes OpenJPEG gigabytes or minutes."""

import struct

from imaging.errors import ImageError
from imaging.limits import MAX_CONVERTED_PIXELS, check_size

MAGIC = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_MOST_HEADER = 1_000_000  # bytes of boxes in the header
_MOST_BOXES = 100
_MOST_TILES, _MOST_PARTS, _MOST_LAYERS, _MOST_COMPONENTS = 4096, 50_000, 100, 4
_SMALLEST_BLOCK = 4  # powers of two of a block's width and height together, less four: 256 samples
_SMALLEST_PRECINCT = 5  # powers of two of its sides
_SIZ, _COD, _COC, _SOT = 0xFF51, 0xFF52, 0xFF53, 0xFF90


def jpeg2000_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG 2000 that can be decoded within bounds.

    Raises:
        ImageError: it is damaged, its size is out of bounds, or it would take too long.
    """
    try:
        start = 0 if data.startswith(MAGIC[1]) else _codestream(data)
        return _check_codestream(data, start)
    except (struct.error, IndexError):
        raise _damaged() from None


def _codestream(jp2: bytes) -> int:
    """The offset of the codestream, which is in a box behind the header's."""
    at, has_header = 0, False
    for _ in range(_MOST_BOXES):
        length, kind = struct.unpack_from(">I4s", jp2, at)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", jp2, at + 8), 16
        if kind == b"jp2c" and has_header:
            return at + head
        if kind == b"jp2h" and length > _MOST_HEADER:
            break
        has_header |= kind == b"jp2h"
        at += max(length, head)
    raise _damaged()


def _check_codestream(data: bytes, start: int) -> tuple[int, int]:
    """The size; refuses settings of coding that make many small parts."""
    at, size = start + 2, (0, 0)
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _SOT:
            break
        if marker == _SIZ:
            size = _check_siz(data, at)
        elif marker == _COD:
            _check_cod(data, at)
        elif marker == _COC:
            raise _unsupported("whose components are coded in several ways")
        elif marker < 0xFF50:
            raise _damaged()
        at += 2 + length
    check_size(*size, most=MAX_CONVERTED_PIXELS["JPEG2000"])
    _check_tiles(data, at)
    return size


def _check_siz(data: bytes, at: int) -> tuple[int, int]:
    right, bottom, left, top, across, down = struct.unpack_from(">6I", data, at + 6)
    (components,) = struct.unpack_from(">H", data, at + 38)
    width, height = right - left, bottom - top
    check_size(width, height, most=MAX_CONVERTED_PIXELS["JPEG2000"])
    if not across or not down:
        raise _damaged()
    if -(-width // across) * -(-height // down) > _MOST_TILES:
        raise _unsupported(f"of more than {_MOST_TILES:,} tiles")
    if components > _MOST_COMPONENTS:
        raise _unsupported(f"of more than {_MOST_COMPONENTS} components")
    return width, height


def _check_cod(data: bytes, at: int) -> None:
    style, _, layers, _, levels, across, down = struct.unpack_from(">BBHBBBB", data, at + 4)
    precincts = data[at + 14 : at + 15 + levels] if style & 1 else b""
    # The lowest levels are small, whatever their precincts.
    smallest = min((min(sides & 15, sides >> 4) for sides in precincts[2:]), default=15)
    if across + down < _SMALLEST_BLOCK or smallest < _SMALLEST_PRECINCT or layers > _MOST_LAYERS:
        raise _unsupported("in many small parts or layers, which would take too long")


def _check_tiles(data: bytes, at: int) -> None:
    """Refuse parts of tiles that say anew how they are coded."""
    for _ in range(_MOST_PARTS):
        if data[at : at + 2] != b"\xff\x90":
            return
        (length,) = struct.unpack_from(">I", data, at + 6)
        inside = at + 12
        while data[inside : inside + 2] != b"\xff\x93":
            marker, size = struct.unpack_from(">HH", data, inside)
            if marker in (_COD, _COC):
                raise _unsupported("whose tiles are coded in several ways")
            inside += 2 + size
        if not length:  # to the end of the file
            return
        at += max(length, 14)
    raise _unsupported("in many small parts or layers, which would take too long")


def _damaged() -> ImageError:
    return ImageError("corrupt", "the JPEG 2000 header is damaged")


def _unsupported(which: str) -> ImageError:
    return ImageError("unsupported", f"a JPEG 2000 {which}")
