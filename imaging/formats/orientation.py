"""The turn that EXIF asks for, and images that are turned by it.

Only the headers of a file's parts are read: Pillow takes ten times as long.
"""

import struct

from base.arrays import Float32Array
from imaging.errors import ImageError
from imaging.formats.tiff import MAGIC, ORIENTATION, read_tiff

_JPEG, _PNG, _RIFF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"
_EXIF = b"Exif\0\0"
_APP1, _START_OF_SCAN, _FILLING = 0xE1, 0xDA, 0xFF
# More parts than any header has.
_MOST_PARTS = 1000
UPRIGHT, _MOST = 1, 8
# Those above are quarter turns; in these, rows or columns run backwards.
HALF_TURNS = 4
FROM_BELOW = (3, 4, 7, 8)
FROM_RIGHT = (2, 3, 6, 7)


def orientation_of(data: bytes) -> int:
    """EXIF's orientation of a JPEG, PNG, WebP or TIFF whose header was checked, 1 to 8.

    1 for all others, and where EXIF is absent or damaged.
    """
    try:
        exif = _exif(data)
        found = read_tiff(exif).number(ORIENTATION, UPRIGHT) if exif else UPRIGHT
    except (ImageError, IndexError, struct.error):
        return UPRIGHT
    return found if UPRIGHT <= found <= _MOST else UPRIGHT


def turned(image: Float32Array, orientation: int) -> Float32Array:
    """A square image `[side, side, 3]` with the side up that belongs there."""
    if orientation > HALF_TURNS:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in FROM_BELOW else 1
    columns = -1 if orientation in FROM_RIGHT else 1
    return image[::rows, ::columns]


def _exif(data: bytes) -> bytes:
    """The TIFF that holds a file's EXIF, empty if there is none."""
    if data.startswith(_JPEG):
        return _of_jpeg(data)
    if data.startswith(_PNG):
        return _of_chunks(data, 8, ">I4s", b"eXIf", b"IDAT")
    if data.startswith(_RIFF):
        return _of_chunks(data, 12, "<4sI", b"EXIF", b"")
    return data if data.startswith(MAGIC) else b""


def _of_jpeg(data: bytes) -> bytes:
    at = 2
    for _ in range(_MOST_PARTS):
        while data[at + 1] == _FILLING:
            at += 1
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != _FILLING or marker == _START_OF_SCAN:
            break
        if marker == _APP1 and data.startswith(_EXIF, at + 4):
            return data[at + 4 + len(_EXIF) : end]
        at = end
    return b""


def _of_chunks(data: bytes, at: int, head: str, wanted: bytes, last: bytes) -> bytes:
    """The chunk `wanted` of a PNG or WebP, if it comes before `last`."""
    is_png = head.startswith(">")
    for _ in range(_MOST_PARTS):
        if at + 8 > len(data):
            break
        first, second = struct.unpack_from(head, data, at)
        name, size = (second, first) if is_png else (first, second)
        if name == wanted:
            return data[at + 8 : at + 8 + size].removeprefix(_EXIF)
        if name == last:
            break
        at += 8 + size + (4 if is_png else size % 2)  # a checksum, or filling
    return b""
