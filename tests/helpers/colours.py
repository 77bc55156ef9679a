"""Tiny real images that hold a number, so that an image mixed up with another shows.

24 x 24 pixels of nine grey squares, each a hexadecimal digit: six of the number and three that
check it. Squares of a JPEG's own size survive its compression.
"""

import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from imaging.errors import ImageError

HIGHEST = 0xFFFFFF
SQUARE = 8  # pixels
GREY = 17  # between two digits
KINDS = {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP"}
SUFFIXES = tuple(KINDS)


def score_of_number(number: int) -> float:
    """The score of the image that `draw_number` drew for `number`."""
    return number / HIGHEST


def draw_number(number: int, kind: str = "PNG") -> bytes:
    """An image that holds `number`, 0 to HIGHEST."""
    greys = np.array([int(digit, 16) * GREY for digit in _digits(number)], np.uint8)
    pixels = greys.reshape(3, 3).repeat(SQUARE, axis=0).repeat(SQUARE, axis=1)
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, kind)
    return file.getvalue()


def number_drawn(data: bytes) -> int:
    """The number that an image holds.

    Raises:
        ImageError: it holds none, or its check is wrong.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("L"), np.float64)
    middle = slice(SQUARE // 2, None, SQUARE)
    digits = np.rint(pixels[middle, middle] / GREY).astype(int).ravel()
    drawn = "".join(f"{digit:x}" for digit in digits)
    number = int(drawn[:6], 16)
    if drawn != _digits(number):
        raise ImageError("corrupt", "it holds no number")
    return number


def path_of_number(number: int, folder: str = "images") -> str:
    """The name of its file; the three kinds take turns."""
    return f"{folder}/{number:06d}{SUFFIXES[number % len(SUFFIXES)]}"


def draw_folder(root: Path, numbers: range, folder: str = "images") -> dict[str, float]:
    """Draw a file for each number; returns path to score."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    paths = {path_of_number(number, folder): number for number in numbers}
    for path, number in paths.items():
        (root / path).write_bytes(draw_number(number, KINDS[Path(path).suffix]))
    return {path: score_of_number(number) for path, number in paths.items()}


def _digits(number: int) -> str:
    return f"{number:06x}{zlib.crc32(number.to_bytes(3, 'big')) & 0xFFF:03x}"
