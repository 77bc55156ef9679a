"""TIFFs and DICOMs made by hand, of kinds that no library writes."""

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

SHORT, LONG = 3, 4
_KINDS = {SHORT: "H", LONG: "I"}
PATIENT = "Doe^Jane"
DERMOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.4"


def tiff_of(
    samples: npt.NDArray[Any],
    photometric: int = 1,
    bits: int = 0,
    order: str = "<",
    more: dict[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """A TIFF of one strip without compression; samples `[h, w]` or `[h, w, n]`, packed if 12 bits.

    `more` holds further tags, or other values of these.
    """
    height, width, count = (*samples.shape, 1)[:3]
    bits = bits or samples.dtype.itemsize * 8
    pixels = _packed(samples, bits, order)
    tags: dict[int, tuple[int, Sequence[int]]] = {
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


def directory(tags: dict[int, tuple[int, Sequence[int]]], at: int, order: str = "<") -> bytes:
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
    picture = _picture(*samples.shape[:2], photometric, bits, stored or bits)
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
    picture = _picture(30, 40, photometric, 8, 8)
    picture.PixelData = encapsulate([frame])
    picture["PixelData"].VR = "OB"
    picture["PixelData"].is_undefined_length = True
    return _written(picture, UID(syntax), attributes)


def _picture(height: int, width: int, photometric: str, bits: int, stored: int) -> Dataset:
    picture = Dataset()
    picture.SOPClassUID, picture.SOPInstanceUID = DERMOSCOPIC, "1.2.3"
    picture.PatientName, picture.PatientID, picture.Modality = PATIENT, PATIENT, "XC"
    picture.Rows, picture.Columns, picture.SamplesPerPixel = height, width, 3
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


def _packed(samples: npt.NDArray[Any], bits: int, order: str) -> bytes:
    if bits != 12:
        return samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    pairs = samples.reshape(-1, 2).astype(np.uint32)  # of an even width
    joined = pairs[:, 0] << 12 | pairs[:, 1]
    return b"".join(int(value).to_bytes(3, "big") for value in joined)
