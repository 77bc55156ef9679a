"""TIFF: its first image, reduced to the tags that say how its pixels are stored.

Everything else stays unread: further images, metadata in directories of their own, which can be
made to take hours, and the orientation, which Pillow would apply by itself.
"""

import struct
from typing import NamedTuple

from imaging.errors import ImageError
from imaging.limits import MAX_CONVERTED_PIXELS, check_size

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION = 274
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _STRIP_SIZES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES = 322, 323, 324, 325
_SAMPLE_FORMAT, _SUBSAMPLING, _DNG = 339, 530, 50706
# Besides these: fill order, predictor, colour map, extra samples, JPEG tables, and those of YCbCr.
_KEPT = {*range(256, 260), 262, 266, 273, 277, 278, 279, 284, 317, 320, *range(322, 326)}
_KEPT |= {338, 339, 347, 529, 530, 531, 532}
# None, fax, LZW, JPEG, deflate, PackBits, Zstandard. LZMA may ask for any amount of memory.
_DECODED = {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 50000}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_TAGS = 1000
_MOST_VALUES = 1_000_000  # of a tag: such as the sizes of all tiles
_MOST_SAMPLES = 6  # of a pixel
_MOST_PADDED = 30_000_000  # pixels of all tiles, the parts outside of the image included
_YCBCR, _WHITE_IS_ZERO = 6, 0


class _Layout(NamedTuple):
    """Where things are in a TIFF, or in a BigTIFF; all by `struct`."""

    order: str
    offset_at: int
    offset: str
    length: str
    entry: str


class Tag(NamedTuple):
    """An entry of a directory; `field` holds its values, or where they are."""

    kind: int
    values: int
    field: bytes


class Tiff(NamedTuple):
    """The first directory of a TIFF, with what of it matters here."""

    data: bytes
    layout: _Layout
    tags: dict[int, Tag]

    def numbers(self, tag: int, most: int = _MOST_SAMPLES) -> tuple[int, ...]:
        """The first values of a tag of integers; empty if it is not there."""
        found = self.tags.get(tag)
        if found is None or found.kind not in _INTEGERS:
            return ()
        count = min(found.values, most)
        values = f"{self.layout.order}{count}{_INTEGERS[found.kind]}"
        size, field = struct.calcsize(values), found.field
        if found.values * _SIZES[found.kind] > len(field):
            (at,) = struct.unpack(self.layout.order + self.layout.offset, field)
            field = self.data[at : at + size]
        return struct.unpack(values, field[:size])

    def number(self, tag: int, otherwise: int) -> int:
        """The first value of a tag."""
        return next(iter(self.numbers(tag, 1)), otherwise)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.number(_WIDTH, 0), self.number(_HEIGHT, 0)

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return self.number(_BITS, 1)

    @property
    def is_inverted(self) -> bool:
        """Whether zero is white, which Pillow does not know of 16 bits."""
        return self.number(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO

    def reduced(self) -> bytes:
        """The same image in a file with the tags that are needed, behind the old bytes."""
        layout = self.layout
        kept = sorted((tag, *entry) for tag, entry in self.tags.items() if tag in _KEPT)
        at = len(self.data) + len(self.data) % 2
        head, offset = self.data[: layout.offset_at], struct.pack(layout.order + layout.offset, at)
        body = self.data[len(head) + len(offset) :] + b"\0" * (len(self.data) % 2)
        entries = [struct.pack(layout.order + layout.entry, *entry) for entry in kept]
        count = struct.pack(layout.order + layout.length, len(entries))
        return b"".join([head, offset, body, count, *entries, bytes(len(offset))])


def read_tiff(data: bytes) -> Tiff:
    """The first directory of a TIFF.

    Raises:
        ImageError: it is damaged.
    """
    order = "<" if data.startswith(b"II") else ">"
    if data[:4] in MAGIC[:2]:
        layout = _Layout(order, 4, "I", "H", "HHI4s")
    else:
        layout = _Layout(order, 8, "Q", "Q", "HHQ8s")
    try:
        return Tiff(data, layout, _tags(data, layout))
    except struct.error:
        raise _damaged() from None


def checked_tiff(data: bytes) -> Tiff:
    """The first directory of a TIFF that can be decoded within bounds.

    Raises:
        ImageError: it is damaged, of an unknown kind, or its size is out of bounds.
    """
    tiff = read_tiff(data)
    try:
        check_size(*tiff.size, most=MAX_CONVERTED_PIXELS["TIFF"])
        _check_kind(tiff)
        _check_parts(tiff)
    except struct.error:
        raise _damaged() from None
    return tiff


def _tags(data: bytes, layout: _Layout) -> dict[int, Tag]:
    (at,) = struct.unpack_from(layout.order + layout.offset, data, layout.offset_at)
    if at >= len(data):
        raise _damaged()
    (count,) = struct.unpack_from(layout.order + layout.length, data, at)
    if not 0 < count <= _MOST_TAGS:
        raise _damaged()
    at += struct.calcsize(layout.order + layout.length)
    entry = struct.Struct(layout.order + layout.entry)
    found = (entry.unpack_from(data, at + entry.size * index) for index in range(count))
    return {tag: Tag(kind, number, field) for tag, kind, number, field in found}


def _check_kind(tiff: Tiff) -> None:
    if _DNG in tiff.tags or tiff.number(_SUBFILE, 0) & 1:
        raise _unsupported("whose first image is a thumbnail, as in raw files of cameras")
    if tiff.number(_COMPRESSION, 1) not in _DECODED:
        raise _unsupported("of a compression that is not decoded; save it with LZW or without")
    if set(tiff.numbers(_SAMPLE_FORMAT)) - {1} or tiff.bits not in (1, 2, 4, 8, 12, 16):
        raise _unsupported("of signed samples, fractions or 32 bits; save it with 8 or 16 bits")
    if tiff.number(_SAMPLES, 1) > _MOST_SAMPLES:
        raise _unsupported(f"of more than {_MOST_SAMPLES} samples a pixel")
    is_plain_ycbcr = tiff.number(_PHOTOMETRIC, 0) == _YCBCR and tiff.number(_COMPRESSION, 1) == 1
    if is_plain_ycbcr and (tiff.numbers(_SUBSAMPLING) or (2, 2)) != (1, 1):
        raise _unsupported("of subsampled colours without compression")


def _check_parts(tiff: Tiff) -> None:
    """Refuse strips or tiles that are far more, or far larger, than the image."""
    width, height = tiff.size
    across, down = width, min(tiff.number(_ROWS, height), height)
    if _TILES in tiff.tags:
        across, down = tiff.number(_TILE_WIDTH, 0), tiff.number(_TILE_HEIGHT, 0)
        if min(across, down) < 16 or across % 16 or down % 16:
            raise _damaged()
    if not down:
        raise _damaged()
    parts = -(-width // across) * -(-height // down)
    if parts * across * down > _MOST_PADDED:
        raise _unsupported("whose tiles are far larger than its image")
    planes = tiff.number(_SAMPLES, 1) if tiff.number(_PLANAR, 1) == 2 else 1
    places = (tiff.tags[tag].values for tag in (_STRIPS, _TILES) if tag in tiff.tags)
    others = (tag.values for number, tag in tiff.tags.items() if number in _KEPT - _PARTS)
    # Pillow would leave the rows of an absent strip black.
    if next(places, 0) not in (parts * planes, parts * planes + 1):
        raise _damaged()
    if max(others, default=0) > _MOST_VALUES:
        raise _damaged()


_PARTS = {_STRIPS, _TILES}


def _damaged() -> ImageError:
    return ImageError("corrupt", "the TIFF header is damaged")


def _unsupported(which: str) -> ImageError:
    return ImageError("unsupported", f"a TIFF {which}")
