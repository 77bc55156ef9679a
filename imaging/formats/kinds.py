"""Which format a file has, by its first bytes and whatever its name says."""

from imaging.formats import dicom, jpeg2000, tiff

DICOM = "DICOM"
_MAGIC = {
    **dict.fromkeys(tiff.MAGIC, "TIFF"),
    **dict.fromkeys(jpeg2000.MAGIC, "JPEG2000"),
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
# Of the ISO container: who it was made for, which `mif1` and `msf1` leave to the others.
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MOST_BRANDS = 20


def other_kind(data: bytes) -> str | None:
    """Pillow's name of the format, or DICOM; None if it is none of those that are converted."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if dicom.meta_at(data) is not None:
        return DICOM
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def _of_brands(data: bytes) -> str | None:
    end = min(int.from_bytes(data[:4], "big"), 16 + 4 * _MOST_BRANDS)
    brands = {data[at : at + 4] for at in (8, *range(16, end, 4))}
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & _HEIF else None
