"""What a header does not tell: how often a decoder goes over the pixels, what it unpacks besides.

A JPEG of 1 MB can hold 20,000 scans of 40 megapixels each, which is ten minutes of work; a PNG of
8 MB can hold texts that unpack to 8 GB, which is half a minute.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice

_SCAN, _END = 0xDA, 0xD9
# 0xFF and a byte that is no part of a scan's data: not a stuffed zero, not a restart.
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
_NO_LENGTH = {0x01, 0xD8}
# Any bytes that are no marker and code a change of brightness by whatever table.
_NOISE = bytes(at * at % 251 for at in range(2000))
_CHUNK = struct.Struct(">I4s")
_CHECKSUM = 4  # bytes after a chunk
_TEXTS = (b"zTXt", b"iTXt")  # libpng unpacks them, wherever they stand


def count_scans(jpeg: bytes, enough: int) -> int:
    """The scans of a JPEG's first picture; counted no further than `enough`."""
    if jpeg.count(b"\xff\xda") < 2:  # the rule, and found out at once
        return 1
    scans = (kind for kind, _ in _markers(jpeg) if kind == _SCAN)
    return sum(1 for _ in islice(scans, enough))


def prolonged(jpeg: bytes) -> bytes:
    """The same JPEG, noise added to the end of its first picture's last scan.

    A decoder that has all its pixels by then never looks at it; one that has not draws it.
    """
    end = next((at for kind, at in _markers(jpeg) if kind == _END), len(jpeg))
    return jpeg[:end] + _NOISE + jpeg[end:]


def _markers(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Each marker up to the end of the first picture, and where it stands."""
    at = 2
    while marker := _MARKER.search(jpeg, at):
        kind, at = marker[1][0], marker.end()
        yield kind, marker.start()
        if kind == _END:
            break
        if kind not in _NO_LENGTH:
            at += int.from_bytes(jpeg[at : at + 2], "big")


def packed_text(png: bytes) -> int:
    """The bytes of all chunks of a PNG that hold text, which may be compressed."""
    if not any(kind in png for kind in _TEXTS):
        return 0
    total, at = 0, 8
    while at + _CHUNK.size <= len(png):
        length, kind = _CHUNK.unpack_from(png, at)
        if kind == b"IEND":
            break
        total += length if kind in _TEXTS else 0
        at += _CHUNK.size + length + _CHECKSUM
    return total
