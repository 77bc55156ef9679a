"""Work that a header does not show: passes over the pixels, and data to unpack besides.

A JPEG of 1 MB can hold 20,000 scans of 40 megapixels each, which is ten minutes of work; a PNG of 8
MB can hold texts that unpack to 8 GB, which is half a minute, and one of 12 MB can hold data that
unpack to 12 GB behind its pixels.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_SCAN, _END, _RESTART, _FF = 0xDA, 0xD9, 0xD0, 0xFF
_BLOCK = 200_000  # bytes: blocks that fit a core's cache take a sixth of the time
# 0xFF and a byte that is not part of a scan's data: not a stuffed zero, not a restart.
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
_NO_LENGTH = {0x01, 0xD8}
# The other segments of a regular header: tables, a comment, APP0 to APP15.
_ORDERLY = {0xFFC4, 0xFFDB, 0xFFDD, 0xFFFE, *range(0xFFE0, 0xFFF0)}
_SEQUENTIAL = {0xFFC0, 0xFFC1}  # frames that are not progressive, in Huffman's code
_SEGMENT = struct.Struct(">HH")  # a marker, and the length of what follows it
# Any bytes that contain no marker and encode a change of brightness in any table.
_NOISE = bytes(index * index % 251 for index in range(2000))
_CHUNK = struct.Struct(">I4s")
_CHECKSUM = 4  # bytes after a chunk
_TEXTS = (b"zTXt", b"iTXt")  # libpng unpacks them, wherever they are
_DATA = b"IDAT"
_HEADER = struct.Struct(">IIBB")  # width, height, bits of a sample, kind of colour
_HEADER_AT = 16
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the kind of colour
# So many bytes of packed data may unpack freely: at most to 1,032 times as many, which takes a
# second.
_FREE = 500_000
# Tolerance beyond the pixels: an encoder may be careless, and interlaced pictures have more rows.
_SPARE = 1_000_000
_PIECE = 1 << 16  # bytes unpacked at a time


def is_one_scan(jpeg: bytes) -> bool:
    """Whether a regular header says that the first scan of a JPEG is its whole picture.

    libjpeg then passes over it once, and refuses any second scan, so the data need not be searched.
    False if the header leaves any doubt.
    """
    offset, components = 2, 0
    while offset + _SEGMENT.size + 6 <= len(jpeg):
        marker, length = _SEGMENT.unpack_from(jpeg, offset)
        if marker == 0xFF00 | _SCAN:
            return jpeg[offset + 4] == components > 0
        if marker in _SEQUENTIAL and not components:
            components = jpeg[offset + 9]
        elif marker not in _ORDERLY:
            return False
        offset += 2 + max(length, 2)
    return False


def count_scans(jpeg: bytes, enough: int) -> int:
    """The number of scans in a JPEG's first picture; counting stops at `enough`."""
    if _occurrences(jpeg, _SCAN) < 2:  # the usual case, found at once
        return 1
    scans, own_end = 0, 2
    for marker in _marker_places(jpeg):
        if marker < own_end:  # inside the segment before, such as a thumbnail
            continue
        kind = jpeg[marker + 1]
        scans += kind == _SCAN
        if kind == _END or scans >= enough:
            break
        own_end = marker + 2
        if kind not in _NO_LENGTH:
            own_end += int.from_bytes(jpeg[own_end : own_end + 2], "big")
    return scans


def _occurrences(jpeg: bytes, kind: int) -> int:
    """How often 0xFF is followed by `kind`; six times as fast as `bytes.count` on a JPEG."""
    return sum(
        int(np.count_nonzero((first == _FF) & (second == kind)))
        for _, first, second in _blocks(jpeg)
    )


def _marker_places(jpeg: bytes) -> Iterator[int]:
    """The offsets of 0xFF before a byte that is not part of a scan's data."""
    for start, first, second in _blocks(jpeg):
        follows = (second != 0) & (second != _FF) & ((second & 0xF8) != _RESTART)
        yield from (np.flatnonzero((first == _FF) & follows) + start).tolist()


def _blocks(data: bytes) -> Iterator[tuple[int, Bytes, Bytes]]:
    """Each byte and the next one, in blocks, so that a large file is not copied several times."""
    values = np.frombuffer(data, np.uint8)
    for start in range(0, len(values) - 1, _BLOCK):
        block = values[start : start + _BLOCK + 1]
        yield start, block[:-1], block[1:]


def append_noise(jpeg: bytes) -> bytes:
    """The same JPEG with noise added to the end of its first picture's last scan.

    A decoder that has all its pixels by then ignores it; one that has not draws it.
    """
    end = next((offset for kind, offset in _markers(jpeg) if kind == _END), len(jpeg))
    return jpeg[:end] + _NOISE + jpeg[end:]


def _markers(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Each marker up to the end of the first picture, and its offset."""
    offset = 2
    while marker := _MARKER.search(jpeg, offset):
        kind, offset = marker[1][0], marker.end()
        yield kind, marker.start()
        if kind == _END:
            break
        if kind not in _NO_LENGTH:
            offset += int.from_bytes(jpeg[offset : offset + 2], "big")


def packed_text(png: bytes) -> int:
    """The size in bytes of a PNG's text chunks, which may be compressed."""
    if not any(kind in png for kind in _TEXTS):
        return 0
    return sum(length for kind, _, length in _chunks(png) if kind in _TEXTS)


def unpacks_beyond_its_pixels(png: bytes) -> bool:
    """Whether the data of a PNG unpack to far more than the pixels of its header.

    libpng unpacks everything, and discards what follows the last row. The check takes two fifths of
    the decoding time if the data are large, and nothing if they are not.
    """
    data = [(offset, length) for kind, offset, length in _chunks(png) if kind == _DATA]
    if sum(length for _, length in data) <= _FREE:
        return False
    bytes_left = _bytes_of_pixels(png) * 9 // 8 + _SPARE
    unpacking = zlib.decompressobj()
    for piece in _pieces(png, data):
        waiting: bytes | memoryview = piece
        while waiting and not unpacking.eof:
            try:
                bytes_left -= len(unpacking.decompress(waiting, _PIECE))
            except zlib.error:  # libpng stops there, too
                return False
            if bytes_left < 0:
                return True
            waiting = unpacking.unconsumed_tail
    return False


def _pieces(png: bytes, data: Iterable[tuple[int, int]]) -> Iterator[memoryview]:
    """The data in pieces that zlib consumes at once: it copies any rest each time."""
    view = memoryview(png)
    for offset, length in data:
        end = offset + length
        for start in range(offset, end, _PIECE):
            yield view[start : min(start + _PIECE, end)]


def _bytes_of_pixels(png: bytes) -> int:
    """The size to which a PNG's data should unpack: a filter byte and the pixels of each row."""
    width, height, bits, colour = _HEADER.unpack_from(png, _HEADER_AT)
    return int(height * (1 + -(-width * bits * _SAMPLES.get(colour, 4) // 8)))


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """For each chunk of a PNG: its kind, the offset of its content, and its length."""
    offset = 8
    while offset + _CHUNK.size <= len(png):
        length, kind = _CHUNK.unpack_from(png, offset)
        if kind == b"IEND":
            break
        offset += _CHUNK.size
        yield kind, offset, length
        offset += length + _CHECKSUM
