"""One score and one label for each cluster, such as a lesion, instead of each image. Pure."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, Int64Array, LabelArray
from base.console.foreign import shown
from report.clustering.asked import Aggregate
from report.clustering.clusters import ClusterError, Clusters
from report.metrics.subgroups import Groups

# How many clusters of both labels are named.
_NAMED = 2
_SEVERAL = "(several)"


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """The unit of a report: `units` clusters of a `column`, of which `alone` have no name.

    `mixed` have images of both labels and count as malignant; `examples` are some of these.
    """

    column: str
    aggregate: Aggregate
    units: int
    images: int
    alone: int
    mixed: int
    examples: tuple[str, ...]


class Units(NamedTuple):
    """Labels and scores of the units, `[units]`, and the unit of each image `[n]`."""

    facts: UnitFacts
    labels: LabelArray
    scores: Float64Array
    of_image: npt.NDArray[np.intp]


def units(
    labels: LabelArray, scores: Float64Array, clusters: Clusters, aggregate: Aggregate
) -> Units:
    """A unit is malignant if any of its images is; its score is the highest or mean of theirs.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
        clusters: of the same images.
        aggregate: `max` or `mean`.
    """
    codes, of_image, images = np.unique(clusters.codes, return_inverse=True, return_counts=True)
    malignant = np.bincount(of_image, weights=labels, minlength=len(codes))
    mixed = codes[(malignant > 0) & (malignant < images)]
    facts = UnitFacts(
        clusters.column,
        aggregate,
        len(codes),
        len(labels),
        clusters.alone,
        len(mixed),
        tuple(clusters.values[code] or "" for code in mixed[:_NAMED]),
    )
    return Units(
        facts,
        (malignant > 0).astype(np.int8),
        aggregated(scores, of_image, len(codes), aggregate),
        of_image,
    )


def aggregated(
    scores: Float64Array, of_image: npt.NDArray[np.intp], units: int, aggregate: Aggregate
) -> Float64Array:
    """The highest or mean score of each unit's images, `[units]`."""
    highest = np.full(units, -np.inf)
    np.maximum.at(highest, of_image, scores)
    if aggregate == "max":
        return highest
    lowest = np.full(units, np.inf)
    np.minimum.at(lowest, of_image, scores)
    sums = np.bincount(of_image, weights=scores, minlength=units)
    # Rounding must not put the mean of equal scores below the threshold that they reach.
    return np.clip(sums / np.bincount(of_image, minlength=units), lowest, highest)


def groups_of_units(groups: Groups, found: Units) -> Groups:
    """The groups of units; one whose images have several values is in a group of its own."""
    codes, differ = _common(groups.codes.astype(np.int64), found)
    codes[differ] = len(groups.values)
    values = (*groups.values, _SEVERAL) if differ.any() else groups.values
    return replace(groups, codes=codes, values=values, labels=found.labels, scores=found.scores)


def clusters_of_units(clusters: Clusters, found: Units) -> Clusters:
    """The clusters of units, such as the patients of lesions.

    Raises:
        ClusterError: the images of a unit are of several clusters.
    """
    codes, differ = _common(clusters.codes, found)
    alone = int(np.count_nonzero(codes >= len(clusters.values)))
    if differ.any():
        one = int(codes[differ][0])
        raise ClusterError(
            f"--cluster {shown(clusters.column)}: the images of {int(differ.sum())} "
            f"{shown(found.facts.column)} are of more than one {shown(clusters.column)}, such as "
            f"{shown(clusters.values[one] or 'none')}: cluster by a column above that of --per"
        )
    return clusters._replace(codes=codes, alone=alone)


def _common(codes: Int64Array, found: Units) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """The lowest code of each unit's images, and whether there are others; both `[units]`."""
    lowest = np.full(found.facts.units, np.iinfo(np.int64).max)
    highest = np.full(found.facts.units, -1)
    np.minimum.at(lowest, found.of_image, codes)
    np.maximum.at(highest, found.of_image, codes)
    return lowest, lowest != highest
