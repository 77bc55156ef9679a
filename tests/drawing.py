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
