"""Pixels as a BMP of 24 bits, which TensorFlow decodes to just these pixels."""

import io
import struct
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Rgb = npt.NDArray[np.uint8]

_ROWS = 256  # converted at a time, for a copy of a large image takes as much memory as it
_HEADER = struct.Struct("<2sIII IiiHHIIiiII")
_INFO = 40  # bytes of the second header


def as_bmp(size: tuple[int, int], rows: Callable[[int, int], Rgb]) -> bytes:
    """A BMP of this width and height.

    `rows`, called with a first row and the one behind the last, gives them as `[n, width, 3]`.
    """
    width, height = size
    padding = -3 * width % 4
    pixels = (3 * width + padding) * height
    # The height is negative: rows from the top.
    info = (_INFO, width, -height, 1, 24, 0, pixels, 0, 0, 0, 0)
    bmp = io.BytesIO()
    bmp.write(_HEADER.pack(b"BM", _HEADER.size + pixels, 0, _HEADER.size, *info))
    for top, bottom in _strips(height):
        blue_first = rows(top, bottom)[:, :, ::-1].reshape(bottom - top, 3 * width)
        bmp.write(np.pad(blue_first, ((0, 0), (0, padding))).tobytes())
    return bmp.getvalue()


def eight_bits(samples: Samples, bits: int) -> Rgb:
    """Unsigned samples of so many bits as bytes: the highest eight, as libpng does with 16.

    Of fewer than eight bits, the largest becomes 255.
    """
    if bits < 8:
        return (samples.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return (samples >> (bits - 8)).astype(np.uint8)


def _strips(height: int) -> Iterator[tuple[int, int]]:
    for top in range(0, height, _ROWS):
        yield top, min(top + _ROWS, height)
