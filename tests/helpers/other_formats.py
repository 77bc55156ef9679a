"""TIFFs and DICOMs made by hand, of kinds that no library writes."""

import io
import struct
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pillow_heif
from drawing import packed_zeros
from PIL import Image, ImageOps
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

SHORT, LONG = 3, 4
_KINDS = {SHORT: "H", LONG: "I"}
Tags = dict[int, tuple[int, Sequence[int]]]  # of a TIFF: the kind of its values, and these
PATIENT = "Doe^Jane"
DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.4"


def tiff_of(
    samples: npt.NDArray[Any],
    photometric: int = 1,
    bits: int = 0,
    order: Literal["<", ">"] = "<",
    more: Tags | None = None,
) -> bytes:
    """A TIFF of one strip without compression; samples `[h, w]` or `[h, w, n]`, packed if 12 bits.

    `more` holds further tags, or other values of these.
    """
    height, width, count = (*samples.shape, 1)[:3]
    bits = bits or samples.dtype.itemsize * 8
    pixels = _packed(samples, bits, order)
    tags: Tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * count),
        259: (SHORT, [1]),
        262: (SHORT, [photometric]),
        273: (LONG, [8]),
        277: (SHORT, [count]),
        278: (LONG, [height]),
        279: (LONG, [len(pixels)]),
        **(more or {}),
    }
    at = 8 + len(pixels) + len(pixels) % 2
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at)
    return head + pixels + bytes(len(pixels) % 2) + directory(tags, at, order)


def directory(tags: Tags, at: int, order: str = "<") -> bytes:
    """A directory of a TIFF that lies at this offset, with the values that do not fit behind it."""
    behind, entries = at + 2 + 12 * len(tags) + 4, []
    values = b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{_KINDS[kind]}", *numbers)
        if len(packed) > 4:
            field, values = struct.pack(order + "I", behind + len(values)), values + packed
        else:
            field = packed.ljust(4, b"\0")
        entries.append(struct.pack(order + "HHI", tag, kind, len(numbers)) + field)
    return struct.pack(order + "H", len(tags)) + b"".join(entries) + bytes(4) + values


def dicom_of(
    samples: npt.NDArray[Any], photometric: str = "RGB", stored: int = 0, **attributes: Any
) -> bytes:
    """A DICOM of these samples, `[h, w]` or `[h, w, 3]`, without compression."""
    bits = samples.dtype.itemsize * 8
    picture = _picture(samples.shape, photometric, bits, stored or bits)
    picture.SamplesPerPixel = 3 if samples.ndim == 3 else 1
    picture.PixelData = samples.tobytes()
    picture["PixelData"].VR = "OW" if bits == 16 else "OB"
    return _written(picture, ExplicitVRLittleEndian, attributes)


def dicom_around(
    frame: bytes,
    photometric: str = "YBR_FULL_422",
    syntax: str = JPEGBaseline8Bit,
    **attributes: Any,
) -> bytes:
    """A DICOM around a compressed frame, whatever that is."""
    picture = _picture((30, 40), photometric, 8, 8)
    picture.PixelData = encapsulate([frame])
    picture["PixelData"].VR = "OB"
    picture["PixelData"].is_undefined_length = True
    return _written(picture, UID(syntax), attributes)


def _picture(shape: tuple[int, ...], photometric: str, bits: int, stored: int) -> Dataset:
    picture = Dataset()
    picture.SOPClassUID, picture.SOPInstanceUID = DERMOSCOPIC, "1.2.3"
    picture.PatientName, picture.PatientID, picture.Modality = PATIENT, PATIENT, "XC"
    picture.Rows, picture.Columns, picture.SamplesPerPixel = *shape[:2], 3
    picture.PhotometricInterpretation, picture.PlanarConfiguration = photometric, 0
    picture.BitsAllocated, picture.BitsStored, picture.HighBit = bits, stored, stored - 1
    picture.PixelRepresentation = 0
    return picture


def _written(picture: Dataset, syntax: UID, attributes: dict[str, Any]) -> bytes:
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = syntax
    for name, value in attributes.items():
        setattr(picture, name, value)
    file = io.BytesIO()
    picture.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _packed(samples: npt.NDArray[Any], bits: int, order: Literal["<", ">"]) -> bytes:
    if bits != 12:
        return samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    pairs = samples.reshape(-1, 2).astype(np.uint32)  # of an even width
    joined = pairs[:, 0] << 12 | pairs[:, 1]
    return b"".join(int(value).to_bytes(3, "big") for value in joined)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image in a format of Pillow's or of pillow-heif's."""
    pillow_heif.register_heif_opener()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def claiming_ispe(data: bytes, width: int, height: int) -> bytes:
    """The AVIF or HEIC, its container claiming another size for each of its pictures."""
    parts = data.split(b"ispe")
    size = struct.pack(">III", 0, width, height)
    return parts[0] + b"".join(b"ispe" + size + part[12:] for part in parts[1:])


def tiff_claiming(data: bytes, width: int, height: int) -> bytes:
    """The same little-endian TIFF with another size in its directory."""
    for tag, value in ((256, width), (257, height)):
        at = data.index(struct.pack("<HHI", tag, LONG, 1))
        data = data[: at + 8] + struct.pack("<I", value) + data[at + 12 :]
    return data


def gif_claiming(data: bytes, width: int, height: int) -> bytes:
    """The same GIF with another canvas."""
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def webp_claiming(data: bytes, width: int, height: int) -> bytes:
    """The same lossy WebP, its frame claiming another size."""
    return data[:26] + struct.pack("<HH", width, height) + data[30:]


def jpeg2000_claiming(data: bytes, width: int, height: int) -> bytes:
    """The same JPEG 2000, its codestream claiming another size."""
    at = data.index(b"\xff\x4f\xff\x51") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def commented_gif(data: bytes, count: int) -> bytes:
    """The same GIF, with so many blocks of comments before its frame."""
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + b"\x21\xfe" + (b"\x01x" * count) + b"\0" + data[at:]


def crowded_tiff(count: int, size: int) -> bytes:
    """A TIFF with so many tags more, each of which claims the same so many bytes."""
    plain = tiff_of(np.zeros((48, 64), np.uint8))
    (at,) = struct.unpack_from("<I", plain, 4)
    (known,) = struct.unpack_from("<H", plain, at)
    entries = plain[at + 2 : at + 2 + 12 * known]
    entries += b"".join(struct.pack("<HHII", 1000 + tag, 1, size, 8) for tag in range(count))
    return plain[:at] + struct.pack("<H", known + count) + entries + bytes(4) + bytes(size)


def nested_dicom(count: int) -> bytes:
    """A DICOM with so many empty items in a sequence before its pixels."""
    plain = dicom_of(np.zeros((48, 64, 3), np.uint8))
    at = plain.index(struct.pack("<HH", 0x28, 2))
    sequence = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count
    return plain[:at] + sequence + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) + plain[at:]


def deflated_dicom(count: int) -> bytes:
    """A DICOM whose attributes unpack to so many times nine million bytes."""
    plain = dicom_around(b"nothing", syntax="1.2.840.10008.1.2.1.99")
    return plain[: plain.index(b"1.99") + 4] + packed_zeros(count)


def stored_turned(upright: Image.Image, kind: str, orientation: int) -> bytes:
    """The image as a camera stores it that was held so."""
    way_back = {6: 8, 8: 6}.get(orientation, orientation)
    exif = Image.Exif()
    exif[274] = way_back
    lying = upright.copy()  # Pillow keeps the EXIF that it has read
    lying.info["exif"] = exif.tobytes()
    ImageOps.exif_transpose(lying, in_place=True)
    exif[274] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    return saved(lying, kind, exif=exif, **options)
