"""Limits of an image file; docs/images.md lists them."""

from imaging.errors import ImageError

MAX_BYTES = 50_000_000
MAX_PIXELS = 40_000_000
# Of formats that are converted first: more would push a worker, which holds up to 1.2 GB by then,
# over 1.5 GB.
MAX_CONVERTED_PIXELS = {
    "TIFF": 12_000_000,
    "GIF": 16_000_000,
    "WEBP": 8_000_000,
    "JPEG2000": 6_000_000,
    "AVIF": 12_000_000,
    "HEIF": 12_500_000,
    "DICOM": 8_000_000,
}
MIN_SIDE = 16
MAX_SIDE = 16_384


def check_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """Refuse an image that is too small or too large to be decoded.

    Raises:
        ImageError: a side or the number of pixels is out of bounds.
    """
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise ImageError(
            "bad_size", f"{width}x{height} pixels: sides must be {MIN_SIDE} to {MAX_SIDE}"
        )
    if width * height > most:
        raise ImageError(
            "bad_size", f"{width}x{height} pixels are more than {most / 1_000_000:g} million"
        )
