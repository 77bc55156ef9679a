"""What image files of other formats need, and how they become one that TensorFlow decodes."""

from imaging.errors import ImageError
from imaging.formats import dicom
from imaging.formats.kinds import DICOM, other_kind
from imaging.formats.pillow import pixels_as_bmp, size_of

# At once, for each pixel: Pillow's image and what its decoder holds besides, or the BMP, its copy
# in TensorFlow and the pixels there, whichever is more. Measured at the largest size.
_BYTES_PER_PIXEL = {"TIFF": 16, "GIF": 10, "WEBP": 17, "JPEG2000": 22, "AVIF": 12, "HEIF": 12}


def unwrapped(data: bytes) -> bytes:
    """The JPEG or JPEG 2000 inside a DICOM; all other bytes as they are.

    Raises:
        ImageError: it is a DICOM that is damaged or not decoded.
    """
    return dicom.compressed_image(data) if other_kind(data) == DICOM else data


def bytes_needed(data: bytes) -> int:
    """How many bytes decoding an image of another format needs at once, from its header.

    Raises:
        ImageError: it is none that is decoded, or its header is damaged or out of bounds.
    """
    kind = other_kind(data)
    if kind is None:
        raise ImageError("not_an_image", "the bytes are not those of an image of a known format")
    if kind == DICOM:
        return dicom.bytes_needed(data)
    width, height = size_of(data, kind)
    return width * height * _BYTES_PER_PIXEL[kind]


def converted(data: bytes) -> bytes:
    """The pixels of an image of another format as a BMP.

    Raises:
        ImageError: it cannot be decoded.
    """
    kind = other_kind(data)
    if kind is None:
        raise ImageError("not_an_image", "the bytes are not those of an image of a known format")
    return dicom.pixels_as_bmp(data) if kind == DICOM else pixels_as_bmp(data, kind)
