"""Draws tiny real image files with Pillow, and reads them as somebody who may not."""

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def encoded(
    kind: str,
    width: int = 40,
    height: int = 30,
    seed: int = 0,
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """The bytes of a JPEG, PNG or BMP file: a smooth gradient whose colours depend on `seed`."""
    across = np.linspace(0, 255, width)
    down = np.linspace(0, 255, height)[:, None]
    shift = 37 * (seed + 1)
    channels = [
        (across + down) / 2,
        (across + shift + 0 * down) % 256,
        (down + 2 * shift + 0 * across) % 256,
    ]
    pixels = np.stack(channels, axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def draw(path: Path, width: int = 40, height: int = 30, seed: int = 0, mode: str = "RGB") -> Path:
    """A file at `path`, of the kind that its suffix names."""
    kind = {".png": "PNG", ".bmp": "BMP"}.get(path.suffix.lower(), "JPEG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(kind, width, height, seed, mode))
    return path


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """The same JPEG, its frame header claiming another size."""
    at = jpeg.index(b"\xff\xc0")  # baseline start of frame: length, precision, height, width
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return jpeg[: at + 5] + size + jpeg[at + 9 :]


def png_claiming(png: bytes, width: int, height: int) -> bytes:
    """The same PNG, its IHDR claiming another size, the checksum right."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything; so for a while be someone else."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    checksum = zlib.crc32(kind + body)
    return len(body).to_bytes(4, "big") + kind + body + checksum.to_bytes(4, "big")


def packed_zeros(count: int) -> bytes:
    """So many times nine million zeros in Deflate, without head or checksum.

    One piece after the other: to pack them all takes seconds.
    """
    packing = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    piece = packing.compress(bytes(9_000_000)) + packing.flush(zlib.Z_FULL_FLUSH)
    return piece * count + zlib.compressobj(9, wbits=-zlib.MAX_WBITS).flush()


def zlib_zeros(count: int) -> bytes:
    """The same with zlib's head and Adler-32, whose second half is the number of zeros."""
    checksum = (9_000_000 * count % 65521) << 16 | 1
    return b"\x78\xda" + packed_zeros(count) + checksum.to_bytes(4, "big")


def put_text(png: bytes, times: int) -> bytes:
    """The same PNG, so many texts before its end that unpack to 8 MB each."""
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7_900_000), 9))
    return png[:-12] + text * times + png[-12:]


def overfull_png(more: int, *, interlaced: bool = False, pieces: int = 1) -> bytes:
    """A PNG of 64x64 whose data unpack to so many times 8 MB behind its pixels.

    In so many chunks, of 8 KB for each 8 MB.
    """
    packing = zlib.compressobj(9)
    rows = 64 + (60 if interlaced else 0)  # seven passes: each has rows, and no row is longer
    data = packing.compress((b"\0" + bytes(range(192))) * rows)
    data += packing.flush(zlib.Z_FULL_FLUSH)
    zeros = packing.compress(bytes(8_000_000)) + packing.flush(zlib.Z_FULL_FLUSH)
    data += zeros * more + packing.flush()
    size = -(-len(data) // pieces)
    header = (64).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, int(interlaced)])
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    chunks = [png_chunk(b"IHDR", header), *(png_chunk(b"IDAT", part) for part in parts)]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, png_chunk(b"IEND", b"")])


def with_scans(progressive: bytes, more: int) -> bytes:
    """The same progressive JPEG, its last scan said so many times more."""
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    return progressive[:-2] + last * more + progressive[-2:]


def flat_jpeg(width: int, height: int) -> bytes:
    """A JPEG of one colour, its three channels in a scan each; made by hand, for Pillow cannot.

    One code of one bit each: 0 for "as the block before" and "nothing more" alike.
    """
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    blocks = -(-width // 8) * -(-height // 8)
    parts = [b"\xff\xd8", _segment(0xDB, b"\0" + b"\x01" * 64)]
    parts += [_segment(0xC0, b"\x08" + size + b"\x03" + b"\x01\x11\0\x02\x11\0\x03\x11\0")]
    # Code 00 (nothing) and, for the first DC, code 01 (a number of 9 bits).
    parts += [_segment(0xC4, b"\x00" + b"\0\2" + bytes(14) + b"\x00\x09")]
    parts += [_segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\x00")]
    for channel, level in ((1, 300), (2, 400), (3, 500)):
        bits = f"01{level:09b}0" + "000" * (blocks - 1)
        bits += "1" * (-len(bits) % 8)
        parts += [_segment(0xDA, bytes([1, channel, 0, 0, 63, 0]))]
        parts += [int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")]
    return b"".join([*parts, b"\xff\xd9"])


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
