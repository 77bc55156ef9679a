"""Formats that Pillow decodes: their size from the header, and their pixels as a BMP."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from imaging.errors import ImageError
from imaging.formats.bmp import Rgb, as_bmp, eight_bits
from imaging.formats.faults import mean_damage
from imaging.formats.first_frame import first_frame, webp_size
from imaging.formats.jpeg2000 import jpeg2000_size
from imaging.formats.tiff import Tiff, checked_tiff
from imaging.limits import MAX_CONVERTED_PIXELS, check_size

# The pixels of an image in one block, which goes back to the system; in blocks of 16 MB they stay.
Image.core.set_block_size(1 << 28)  # type: ignore[attr-defined] # documented all the same
_WITHOUT_ALPHA = {"La": "LA", "RGBa": "RGBA"}
_UNKNOWN_RANGE = {"I", "F", "LAB", "HSV"}


def size_of(data: bytes, kind: str) -> tuple[int, int]:
    """Width and height by the header, checked as all that could make decoding slow or large.

    Raises:
        ImageError: it is damaged, out of bounds, or of a kind that is not decoded.
    """
    match kind:
        case "TIFF":
            return checked_tiff(data).size
        case "GIF":
            size = first_frame(data)[1]
        case "WEBP":
            size = webp_size(data)
        case "JPEG2000":
            return jpeg2000_size(data)
        case _:
            with _opened(data, kind) as image:
                size = image.size
    check_size(*size, most=MAX_CONVERTED_PIXELS[kind])
    return size


def pixels_as_bmp(data: bytes, kind: str) -> bytes:
    """The pixels of the first frame, without alpha, as a BMP.

    Raises:
        ImageError: the data are damaged.
    """
    tiff = checked_tiff(data) if kind == "TIFF" else None
    if tiff is not None:
        data = tiff.reduced()
    elif kind == "GIF":
        data = first_frame(data)[0]
    with _opened(data, kind) as image:
        check_size(image.width, image.height, most=MAX_CONVERTED_PIXELS[kind])
        image.load()
        if kind == "AVIF":
            # Its container says that it is turned, and Pillow only notes it.
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode in _UNKNOWN_RANGE:
            raise ImageError("unsupported", f"a {kind} whose samples have no known range")
        return as_bmp(image.size, lambda top, bottom: _rows(image, tiff, top, bottom))


def _rows(image: Image.Image, tiff: Tiff | None, top: int, bottom: int) -> Rgb:
    strip = image.crop((0, top, image.width, bottom))
    if strip.mode.startswith("I;16"):
        samples = eight_bits(np.asarray(strip), tiff.bits if tiff else 16)
        grey = ~samples if tiff and tiff.is_inverted else samples
        return np.repeat(grey[:, :, None], 3, axis=2)
    if strip.mode in _WITHOUT_ALPHA:  # multiplied with alpha
        strip = strip.convert(_WITHOUT_ALPHA[strip.mode])
    return np.asarray(strip.convert("RGB"))


@contextmanager
def _opened(data: bytes, kind: str) -> Iterator[Any]:
    """A Pillow image, whose faults of any kind mean that the data are damaged."""
    if kind == "HEIF":
        _register_heif()
    with (
        mean_damage(f"{kind} image", quoted=True),
        Image.open(io.BytesIO(data), formats=[kind]) as image,
    ):
        yield image


def _register_heif() -> None:
    try:
        import pillow_heif  # deferred: an extra, which few images need
    except ImportError:
        raise ImageError(
            "unsupported", "an HEIC or HEIF image, which needs pip install 'dermscore[heif]'"
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)
