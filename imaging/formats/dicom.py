"""DICOM: the one photograph inside, and nothing else of it.

Only the attributes that describe pixels are read, as raw bytes, and no message quotes a value: the
others are about a patient.
"""

import io
import struct
import warnings
from typing import Any, NamedTuple

import numpy as np

from imaging.errors import ImageError
from imaging.formats.bmp import Rgb, Samples, as_bmp, eight_bits
from imaging.formats.faults import mean_damage
from imaging.limits import MAX_CONVERTED_PIXELS, check_size

# They may hold values.
warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")

_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, _RLE = (
    f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".5")
)
_JPEG = {f"1.2.840.10008.1.2.4.{end}" for end in (50, 51)}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{end}" for end in (90, 91)}
_DECODED = {_IMPLICIT, _EXPLICIT, _BIG_ENDIAN, _RLE, *_JPEG, *_JPEG_2000}
_PREAMBLE, _MAGIC = 128, b"DICM"
_META_GROUP, _SYNTAX = 2, 0x10
_FIRST_OF_META = b"\2\0\0\0UL\4\0"
_LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
_MOST_BEFORE = 500_000  # bytes before the pixels, as pydicom reads them slowly
_MOST_FRAGMENTS = 10_000
_MOST_RLE = 8_000_000  # bytes: pydicom unpacks them in Python
_FRAGMENT = struct.Struct("<HHI")
_UNDEFINED = 0xFFFFFFFF
_PIXELS = 0x7FE00010
_OTHER_PIXELS = {0x7FE00008, 0x7FE00009}
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
_ROWS, _COLUMNS, _ALLOCATED, _STORED = 0x00280010, 0x00280011, 0x00280100, 0x00280101
_HIGH_BIT, _SIGNED, _MODALITY = 0x00280102, 0x00280103, 0x00080060
_TABLES = [0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203]
_READ = [_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED]
_READ += [_HIGH_BIT, _SIGNED, _MODALITY, *_TABLES]
_YBR = {"YBR_FULL", "YBR_FULL_422"}
_COLOURS = {"RGB", *_YBR}
_GREY = {"MONOCHROME1", "MONOCHROME2"}
_IN_JPEG = {"RGB", "MONOCHROME2", *_YBR, "YBR_ICT", "YBR_RCT"}
# Kinds of examination whose grey pictures show no skin.
_NO_PHOTOGRAPHS = {"CT", "MR", "PT", "NM", "CR", "DX", "MG", "XA", "RF", "US", "IO", "PX", "OPT"}
# Its bytes, the samples unpacked and the BMP, its copy in TensorFlow, and the pixels there.
_BYTES_PER_PIXEL = 20
_JFIF, _ADOBE_RGB = b"JFIF\0", b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
_FRAMES_OF_JPEG = {0xC0, 0xC1, 0xC2}


class _Dicom(NamedTuple):
    """A DICOM of one picture; `pixels` are its bytes, or the fragments of what they became."""

    syntax: str
    attributes: Any
    pixels: bytes

    def number(self, tag: int, otherwise: int = 0) -> int:
        """The value of an attribute of 16 bits."""
        value = self._value(tag)
        if len(value) < 2:
            return otherwise
        return int.from_bytes(value[:2], "big" if self.syntax == _BIG_ENDIAN else "little")

    def text(self, tag: int) -> str:
        """The value of an attribute of letters, without the quotes that some write."""
        return self._value(tag).decode("ascii", "replace").strip(' \0"')

    def _value(self, tag: int) -> bytes:
        element = self.attributes.get_item(tag) if tag in self.attributes else None
        value = getattr(element, "value", None)
        return value if isinstance(value, bytes) else b""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.number(_COLUMNS), self.number(_ROWS)


def meta_at(data: bytes) -> int | None:
    """Where a DICOM begins, behind its preamble, which some lack; None if it is no DICOM."""
    if data[_PREAMBLE : _PREAMBLE + len(_MAGIC)] == _MAGIC:
        return _PREAMBLE + len(_MAGIC)
    return 0 if data.startswith(_FIRST_OF_META) else None


def compressed_image(data: bytes) -> bytes:
    """The JPEG or JPEG 2000 inside a DICOM; the DICOM itself if its pixels are stored otherwise.

    Raises:
        ImageError: it is damaged, or none that is decoded.
    """
    dicom = _read(data)
    if dicom.syntax not in _JPEG | _JPEG_2000:
        return data
    _check_light(dicom)
    if dicom.text(_PHOTOMETRIC) not in _IN_JPEG:
        raise _unsupported("whose compressed picture is inverted or has a palette")
    frame = _joined(dicom.pixels)
    if not frame.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")):
        raise ImageError("corrupt", "the DICOM holds no JPEG, but says so")
    says_rgb = dicom.syntax in _JPEG and dicom.text(_PHOTOMETRIC) == "RGB"
    return _marked_as_rgb(frame) if says_rgb else frame


def bytes_needed(data: bytes) -> int:
    """How many bytes decoding needs at once.

    Raises:
        ImageError: it is damaged, out of bounds, or none that is decoded.
    """
    dicom = _read(data)
    width, height = dicom.size
    check_size(width, height, most=MAX_CONVERTED_PIXELS["DICOM"])
    _check_samples(dicom)
    if dicom.syntax == _RLE and len(dicom.pixels) > _MOST_RLE:
        raise _unsupported(f"of more than {_MOST_RLE // 1_000_000} million bytes in runs (RLE)")
    return width * height * _BYTES_PER_PIXEL


def pixels_as_bmp(data: bytes) -> bytes:
    """The picture as a BMP.

    Raises:
        ImageError: it is damaged.
    """
    dicom = _read(data)
    _check_samples(dicom)
    with mean_damage("DICOM", quoted=False):
        samples = _samples(dicom)
        return as_bmp(dicom.size, lambda top, bottom: _rgb(dicom, samples[top:bottom]))


def _read(data: bytes) -> _Dicom:
    try:
        import pydicom  # deferred: an extra, which takes seconds to load
    except ImportError:
        raise ImageError(
            "unsupported", "a DICOM, which needs pip install 'dermscore[dicom]'"
        ) from None
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.logger.disabled = True  # its lines hold values
    with mean_damage("DICOM", quoted=False):
        dicom = _parsed(data)
    if not dicom.pixels or dicom.number(_SAMPLES) == 0:
        raise _unsupported("without pixels")
    if dicom.text(_FRAMES) not in ("", "0", "1"):
        raise _unsupported("of several frames")
    return dicom


def _parsed(data: bytes) -> _Dicom:
    from pydicom.filereader import read_dataset

    syntax, start = _meta(data)
    if syntax not in _DECODED:
        raise _unsupported("of a transfer syntax that is not decoded, such as JPEG-LS")
    file = io.BytesIO(data[:_MOST_BEFORE])
    file.seek(start)
    found: list[tuple[int, int]] = []

    def at_pixels(tag: int, _: str | None, length: int) -> bool:
        if tag == _PIXELS:
            found.append((file.tell(), length))
        return tag == _PIXELS or tag in _OTHER_PIXELS

    attributes = read_dataset(
        file,
        is_implicit_VR=syntax == _IMPLICIT,
        is_little_endian=syntax != _BIG_ENDIAN,
        stop_when=at_pixels,
        specific_tags=_READ,
    )
    if not found and len(data) > _MOST_BEFORE:
        raise _unsupported(f"without pixels in its first {_MOST_BEFORE:,} bytes")
    if not found:
        return _Dicom(syntax, attributes, b"")
    at, length = found[0]
    return _Dicom(syntax, attributes, data[at:] if length == _UNDEFINED else data[at : at + length])


def _meta(data: bytes) -> tuple[str, int]:
    """The transfer syntax, and where the attributes begin."""
    at, syntax = meta_at(data) or 0, _IMPLICIT
    while True:
        group, element, kind, length = struct.unpack_from("<HH2sH", data, at)
        if group != _META_GROUP:
            return syntax, at
        at += 8
        if kind in _LONG:
            (length,) = struct.unpack_from("<I", data, at)
            at += 4
        if element == _SYNTAX:
            syntax = data[at : at + length].decode("ascii", "replace").strip(" \0")
        at += length


def _joined(fragments: bytes) -> bytes:
    """The only frame, from the fragments behind the table of offsets."""
    parts, at = [], 0
    for _ in range(_MOST_FRAGMENTS):
        if at + _FRAGMENT.size > len(fragments):
            break
        group, element, length = _FRAGMENT.unpack_from(fragments, at)
        if (group, element) != (0xFFFE, 0xE000):
            break
        at += _FRAGMENT.size
        parts.append(fragments[at : at + length])
        at += length
    return b"".join(parts[1:])


def _check_samples(dicom: _Dicom) -> None:
    samples, photometric = dicom.number(_SAMPLES), dicom.text(_PHOTOMETRIC)
    allocated, stored = dicom.number(_ALLOCATED), dicom.number(_STORED)
    is_colour = samples == 3 and photometric in _COLOURS
    is_single = samples == 1 and photometric in {*_GREY, "PALETTE COLOR"}
    if not (is_colour or is_single):
        raise _unsupported("of colours that are not decoded")
    _check_light(dicom)
    is_usual = allocated in (8, 16) and dicom.number(_HIGH_BIT, stored - 1) == stored - 1
    if not is_usual or not 1 <= stored <= allocated or (photometric in _YBR and stored != 8):
        raise _unsupported("whose samples are stored in a way that is not decoded")


def _check_light(dicom: _Dicom) -> None:
    """Refuse pictures whose numbers are no light from skin."""
    if dicom.text(_PHOTOMETRIC) in _GREY and dicom.text(_MODALITY) in _NO_PHOTOGRAPHS:
        raise _unsupported("that is no photograph but an X-ray, a scan or the like")
    if dicom.number(_SIGNED):
        raise _unsupported("of signed samples, which have no range of brightness")


def _samples(dicom: _Dicom) -> Samples:
    """All samples as they are stored: `[height, width]`, with a last axis of 3 in colour."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.pixels.utils import pixel_array
    from pydicom.uid import UID

    picture = Dataset()
    width, height = dicom.size
    picture.Rows, picture.Columns = height, width
    picture.SamplesPerPixel = dicom.number(_SAMPLES)
    picture.PhotometricInterpretation = dicom.text(_PHOTOMETRIC)
    picture.BitsAllocated, picture.BitsStored = dicom.number(_ALLOCATED), dicom.number(_STORED)
    picture.HighBit, picture.PixelRepresentation = picture.BitsStored - 1, 0
    picture.PlanarConfiguration = dicom.number(_PLANAR)
    picture.PixelData = dicom.pixels
    picture["PixelData"].VR = "OB" if dicom.syntax == _RLE else "OW"
    picture["PixelData"].is_undefined_length = dicom.syntax == _RLE
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = UID(dicom.syntax)
    # As stored: the colours are converted a strip at a time.
    samples: Samples = pixel_array(picture, raw=True)
    return samples


def _rgb(dicom: _Dicom, samples: Samples) -> Rgb:
    from pydicom.pixels.processing import apply_color_lut, convert_color_space

    photometric, bits = dicom.text(_PHOTOMETRIC), dicom.number(_STORED)
    samples = samples & samples.dtype.type((1 << bits) - 1)
    if photometric in _YBR:
        return np.asarray(convert_color_space(samples, "YBR_FULL", "RGB"), np.uint8)
    if photometric == "PALETTE COLOR":
        coloured = apply_color_lut(samples, dicom.attributes)
        return eight_bits(coloured[..., :3], 8 * coloured.dtype.itemsize)
    light = eight_bits(samples, bits)
    if photometric in _GREY:
        light = np.repeat(light[..., None], 3, axis=-1)
    return ~light if photometric == "MONOCHROME1" else light


def _marked_as_rgb(jpeg: bytes) -> bytes:
    """The JPEG, with Adobe's marker of RGB if it is RGB: a decoder would take it for YCbCr.

    One that has a marker, or fewer samples of some components, is what it says or YCbCr.
    """
    at = 2
    while at + 12 < len(jpeg) and jpeg[at] == 0xFF:
        kind, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if kind == 0xEE or jpeg[at + 4 : at + 9] == _JFIF:
            return jpeg
        if kind in _FRAMES_OF_JPEG:
            factors = jpeg[at + 11 : at + 2 + length : 3]
            return jpeg[:2] + _ADOBE_RGB + jpeg[2:] if len(set(factors)) == 1 else jpeg
        at += 2 + length
    return jpeg


def _unsupported(which: str) -> ImageError:
    return ImageError("unsupported", f"a DICOM {which}")
