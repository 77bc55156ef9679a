"""The images that a quantisation looks at."""

import sys
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from rich.progress import track

from base.arrays import Float32Array
from base.console.foreign import shown
from base.console.telling import tell
from base.listed_image import ListedImage
from imaging.data_root import Root
from imaging.decoding.decoder import Decoder
from model.errors import CheckpointError

_BATCH = 64


class Decoded(NamedTuple):
    """Some images `[n, height, width, 3]` in [0, 1], their rows and their bytes' digests."""

    images: Float32Array
    rows: list[ListedImage]
    digests: list[str]


def drawn(rows: Sequence[ListedImage], count: int, seed: int) -> list[ListedImage]:
    """At most `count` of the rows, drawn with this seed, in the order of the source."""
    if len(rows) <= count:
        return list(rows)
    at = Random(seed).sample(range(len(rows)), count)  # noqa: S311 - no secret
    return [rows[position] for position in sorted(at)]


def decoded(
    root: Root, rows: Sequence[ListedImage], decoder: Decoder, what: str
) -> Iterator[Decoded]:
    """Decode images some at a time; those that cannot be read are named and left out."""
    starts = range(0, len(rows), _BATCH)
    for start in track(starts, what, disable=not sys.stdout.isatty()):
        part = rows[start : start + _BATCH]
        batch = decoder.decode_files(root, [row.path for row in part])
        for position, error in sorted(batch.errors.items()):
            tell(f"left out {shown(part[position].path)}: {error.detail}", err=True)
        if len(batch.images):
            found = [part[position] for position in batch.positions]
            digests = [batch.digests[position] for position in batch.positions]
            yield Decoded(batch.images, found, digests)


def all_of_them(root: Root, rows: Sequence[ListedImage], decoder: Decoder, source: str) -> Decoded:
    """All readable images at once.

    Raises:
        CheckpointError: there is none.
    """
    parts = list(decoded(root, rows, decoder, f"images of {source}"))
    if not parts:
        raise CheckpointError(f"{shown(source)}: no image could be read")
    return Decoded(
        np.concatenate([part.images for part in parts]),
        [row for part in parts for row in part.rows],
        [digest for part in parts for digest in part.digests],
    )
