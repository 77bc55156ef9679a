"""The clusters of the images of a comparison, by a column that its runs know."""

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from base.arrays import Int64Array
from base.console.foreign import shown
from db.queries.report.export import ExportedImage, stream_images
from report.exchange.image_id import image_name
from report.grouping.by_option import NoSuchColumnError
from report.loading.pairing import PairingError


class PairClusters(NamedTuple):
    """The cluster of each compared image, `codes` `[n]`, whole numbers from 0 on.

    The `alone` images without a value are each a cluster of their own.
    """

    column: str
    codes: Int64Array
    total: int
    alone: int


def read_clusters(
    session: Session, runs: Sequence[int], paths: Sequence[str], column: str, *, by_name: bool
) -> PairClusters:
    """The clusters of the images with these paths in the first of the runs, at least one.

    Raises:
        NoSuchColumnError: no image of the runs has the column.
        PairingError: two runs have different values for an image.
    """
    values: dict[str, str] = {}
    columns: set[str] = set()
    for run in runs:
        with closing(stream_images(session, run)) as chunks:
            columns |= _gather(values, chain.from_iterable(chunks), column, by_name=by_name)
    _require_column(column, columns)
    known: dict[str, int] = {}
    codes, alone = [], 0
    for path in paths:
        value = values.get(image_name(path) if by_name else path)
        if value is None:
            alone += 1
        # Ones without a value are counted downwards, so that they never meet the others.
        codes.append(-alone if value is None else known.setdefault(value, len(known)))
    total = len(known) + alone
    return PairClusters(column, np.array(codes, np.int64) % total, total, alone)


def _gather(
    values: dict[str, str], images: Iterable[ExportedImage], column: str, *, by_name: bool
) -> set[str]:
    """Add the value of each image that has one, by path or name; returns all columns."""
    columns: set[str] = set()
    for image in images:
        attributes = json.loads(image.attributes) if image.attributes else {}
        columns.update(attributes)
        value = attributes.get(column)
        key = image_name(image.path) if by_name else image.path
        if value and values.setdefault(key, value) != value:
            raise PairingError(
                f"--cluster {shown(column)}: the runs have different values for {shown(key)}, "
                f"{shown(values[key])} and {shown(value)}; find out which is right, and enqueue or "
                "import that run again"
            )
    return columns


def _require_column(column: str, columns: set[str]) -> None:
    if column not in columns:
        names = ", ".join(map(shown, sorted(columns)))
        raise NoSuchColumnError(
            f"--cluster {shown(column)}: no image of the runs has this column of a manifest; "
            f"{f'there are {names}' if columns else 'there is none'}"
        )
