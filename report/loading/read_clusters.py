"""The analysed images of a run by clusters, or one unit for each cluster."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from base.arrays import BoolArray, Float64Array, LabelArray
from db.queries.report.columns import SCORED, Columns, described
from report.clustering.asked import Clustering
from report.clustering.clusters import Clusters, clusters_of
from report.clustering.repeats import repeating_column
from report.clustering.units import (
    UnitFacts,
    aggregated,
    clusters_of_units,
    groups_of_units,
    units,
)
from report.loading.read_groups import analysed_of, of_column, of_rows, read_groups
from report.metrics.subgroups import Groups

# How many images are looked at for a column that repeats: where it matters, it repeats among them.
_LOOKED_AT = 10_000


class Analysed(NamedTuple):
    """What is analysed, arrays `[analysed]`; these are images, or the `units` if there are any.

    `unlabelled` are the scores of those without a label. `repeats` is a column by which images
    should be clustered and are not.
    """

    labels: LabelArray
    scores: Float64Array
    unlabelled: Float64Array
    groups: tuple[Groups, ...]
    clusters: Clusters | None = None
    units: UnitFacts | None = None
    repeats: str | None = None


def analyse(listed: Columns, by: Sequence[str], clustering: Clustering) -> Analysed:
    """The scored and labelled images, their groups, and their clusters or units if asked for.

    Raises:
        NoSuchColumnError: a column of `by` has too many values.
        ClusterError: images of one unit are of several clusters.
    """
    scored, analysed = listed.outcomes == SCORED, analysed_of(listed)
    images = Analysed(
        listed.labels[analysed],
        listed.scores[analysed],
        listed.scores[scored & ~analysed],
        read_groups(listed, analysed, by),
        None if clustering.cluster is None else _clusters(listed, analysed, clustering.cluster),
    )
    if clustering.per is None:
        return images
    return _as_units(images, listed, analysed, clustering)


def find_repeats(session: Session, run_id: int, left_out: Collection[int] = ()) -> str | None:
    """The column by which the images of a run should be clustered, or None."""
    some = described(session, run_id, left_out, _LOOKED_AT)
    return repeating_column(image.attributes for image in some)


def _clusters(listed: Columns, rows: BoolArray, column: str) -> Clusters:
    return clusters_of(*of_rows(of_column(listed, column), rows))


def _as_units(
    images: Analysed, listed: Columns, analysed: BoolArray, clustering: Clustering
) -> Analysed:
    column = clustering.per or ""
    found = units(
        images.labels, images.scores, _clusters(listed, analysed, column), clustering.aggregate
    )
    return Analysed(
        found.labels,
        found.scores,
        _unlabelled(listed, analysed, clustering),
        tuple(groups_of_units(groups, found) for groups in images.groups),
        None if images.clusters is None else clusters_of_units(images.clusters, found),
        found.facts,
    )


def _unlabelled(listed: Columns, analysed: BoolArray, clustering: Clustering) -> Float64Array:
    """The scores of units of which no image has a label."""
    every = _clusters(listed, listed.outcomes == SCORED, clustering.per or "")
    labelled = analysed[listed.outcomes == SCORED]
    known = np.zeros(int(every.codes.max(initial=-1)) + 1, bool)
    known[every.codes[labelled]] = True
    those = ~known[every.codes]
    codes, of_image = np.unique(every.codes[those], return_inverse=True)
    scores = listed.scores[listed.outcomes == SCORED][those]
    return aggregated(scores, of_image, len(codes), clustering.aggregate)
