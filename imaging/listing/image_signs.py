"""Which files are images: by the ending of their name, or by their first bytes.

Exports of picture archives (PACS) have names without an ending.
"""

import os
import re
import stat
from contextlib import suppress

_ENDINGS = (
    *(".avif", ".bmp", ".dcm", ".dicom", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe"),
    *(".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
)
IMAGE_SUFFIXES = frozenset(_ENDINGS)

_SIGNS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, and BigTIFF
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000, and its bare codestream
    b"\xff\x4f\xff\x51",
)
# DICOM without the usual 128 bytes before it: its first element, with a type (explicit) or not.
_BARE_DICOM = re.compile(
    rb"[\x02\x08]\0[\0\x01\x05\x08\x12\x16\x18]\0(?:UL|OB|CS|UI|DA)"
    rb"|\x08\0(?:\0\0\x04|[\x05\x08\x16]\0[\x02-\x40])\0\0\0"
)
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}
_HEAD_BYTES = 132  # up to the end of DICOM's sign
# The index of a DICOM medium is written as DICOM, but it is not an image.
_DICOM_INDEX = "dicomdir"


def has_image_ending(name: str) -> bool:
    """Whether the name of a file ends like that of an image."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in IMAGE_SUFFIXES


def begins_like_image(path: str) -> bool:
    """Whether a file's first bytes are those of an image; true if it may not be read.

    A file that may not be read is listed: it ends with an error instead of being lost.
    """
    if path.rpartition("/")[2].lower() == _DICOM_INDEX:
        return False
    try:
        return _is_image(_head(path))
    except PermissionError:
        return True
    except OSError:  # a broken link, a socket
        return False


def _head(path: str) -> bytes:
    """The first bytes of a regular file; opening a FIFO would wait for its writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with suppress(IsADirectoryError), os.fdopen(descriptor, "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return file.read(_HEAD_BYTES)
    return b""


def _is_image(head: bytes) -> bool:
    return (
        head.startswith(_SIGNS)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and _has_image_brand(head))
        or head[128:132] == b"DICM"
        or _BARE_DICOM.match(head) is not None
        # BM alone begins many a text.
        or (head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS)
    )


def _has_image_brand(head: bytes) -> bool:
    """Whether a file of the ISO base media format holds images; others hold films."""
    end = int.from_bytes(head[:4], "big")
    return any(head[at : at + 4] in _BRANDS for at in range(8, min(end, len(head)), 4))
