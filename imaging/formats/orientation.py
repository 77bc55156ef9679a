"""The turn that EXIF asks for, and images that are turned by it."""

import io
import struct

from PIL import Image

from base.arrays import Float32Array
from imaging.errors import ImageError
from imaging.formats.tiff import MAGIC, ORIENTATION, read_tiff

_HEADER_BYTES = 10_000_000
_EXIF = b"Exif\0\0"
_UPRIGHT, _MOST = 1, 8


def orientation_of(data: bytes) -> int:
    """EXIF's orientation of a JPEG, PNG, WebP or TIFF whose header was checked, 1 to 8.

    1 for all others, and where EXIF is absent or damaged.
    """
    try:
        exif = data if data.startswith(MAGIC) else _exif(data)
        found = read_tiff(exif).number(ORIENTATION, _UPRIGHT) if exif else _UPRIGHT
    except (ImageError, OSError, ValueError, SyntaxError, struct.error):
        return _UPRIGHT
    return found if _UPRIGHT <= found <= _MOST else _UPRIGHT


def turned(image: Float32Array, orientation: int) -> Float32Array:
    """A square image `[side, side, 3]` with the side up that belongs there."""
    if orientation > 4:
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return image[::rows, ::columns]


def _exif(data: bytes) -> bytes:
    with Image.open(io.BytesIO(_head(data)), formats=["JPEG", "PNG", "WEBP"]) as image:
        exif: bytes = image.info.get("exif", b"")
    return exif.removeprefix(_EXIF)


def _head(data: bytes) -> bytes:
    return data if data.startswith(b"RIFF") else data[:_HEADER_BYTES]
