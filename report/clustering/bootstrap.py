"""A seeded bootstrap of figures of the 2x2 table, over clusters or over images.

Such a figure depends on a cluster only by its four counts. So instead of clusters, how often each
distinct set of four counts is drawn is drawn, from the multinomial distribution: this is exact, and
a million images cost as little as a thousand. Intervals are percentile intervals (Efron 1981; for
clusters Field & Welsh 2007).
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import BoolArray, Float64Array, Int64Array, LabelArray

DRAWS = 2_000
SEED = 1
METHOD = "percentile"
# A figure that is undefined in more draws than these gets no interval.
_MOST_UNDEFINED = DRAWS // 20
# How many whole numbers are in memory at a time.
_AT_ONCE = 4_000_000


class Cells(NamedTuple):
    """The four counts of the 2x2 table in each draw, all `[draws]`."""

    tp: Int64Array
    fp: Int64Array
    tn: Int64Array
    fn: Int64Array


class Patterns(NamedTuple):
    """The distinct sets of four counts `[u, 4]` (TP, FP, TN, FN), and how many clusters have each.

    `clusters` is `[u]`.
    """

    counts: Int64Array
    clusters: Int64Array


class Drawn(NamedTuple):
    """A percentile interval, or neither end and the reason.

    `monte_carlo_error` is the standard error that the number of draws leaves in an end, the larger
    of the two.
    """

    low: float | None
    high: float | None
    monte_carlo_error: float | None = None
    reason: str | None = None


Figure = Callable[[Cells], Float64Array]


def patterns(
    labels: LabelArray, positive: BoolArray, clusters: npt.NDArray[np.integer] | None = None
) -> Patterns:
    """The counts of each cluster, or of each image if there are no clusters.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        positive: `[n]`, whether the score is at or above the threshold.
        clusters: `[n]`, a whole number from 0 on for each cluster.
    """
    cell = np.where(labels == 1, np.where(positive, 0, 3), np.where(positive, 1, 2))
    if clusters is None:
        return Patterns(np.eye(4, dtype=np.int64), np.bincount(cell, minlength=4))
    size = int(clusters.max(initial=-1)) + 1
    counts = np.bincount(clusters * np.int64(4) + cell, minlength=4 * size).reshape(size, 4)
    distinct, times = np.unique(counts[counts.any(axis=1)], axis=0, return_counts=True)
    return Patterns(distinct, times)


def draw(found: Patterns, seed: int = SEED, draws: int = DRAWS) -> Cells:
    """As many clusters as there are, drawn with replacement, `draws` times; the sums of counts.

    The same on every machine: a frozen generator of whole numbers, and whole sums.
    """
    clusters = int(found.clusters.sum())
    # RandomState, unlike Generator, promises the same draws in every release of numpy.
    source = np.random.RandomState(np.random.PCG64(seed))
    rows = max(1, _AT_ONCE // len(found.clusters))
    sums = [
        source.multinomial(clusters, found.clusters / clusters, min(rows, draws - start))
        @ found.counts
        for start in range(0, draws, rows)
    ]
    return Cells(*np.concatenate(sums).T)


def percentile(figure: Figure, drawn: Cells, confidence: float = 0.95) -> Drawn:
    """The interval of a figure between two percentiles of its draws.

    Draws in which it is undefined are left out if they are few; one without bound counts as higher
    than all others.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        values = figure(drawn)
    defined = np.sort(values[~np.isnan(values)])
    undefined = len(values) - len(defined)
    if undefined > _MOST_UNDEFINED:
        return Drawn(None, None, reason=f"undefined in {undefined} of {len(values)} draws")
    low, high = (_end(defined, (1 + side * confidence) / 2) for side in (-1, 1))
    if not math.isfinite(high.value + high.error):
        return Drawn(None, None, reason="without bound in too many draws")
    if low.value == high.value:
        return Drawn(None, None, reason="the same in all draws")
    return Drawn(low.value, high.value, max(low.error, high.error))


class _End(NamedTuple):
    value: float
    error: float


def _end(ordered: Float64Array, share: float) -> _End:
    """A percentile of ordered values, and its standard error by the order statistics around it."""
    step = math.sqrt(share * (1 - share) / len(ordered))
    at = [min(max(place, 0.0), 1.0) for place in (share - step, share, share + step)]
    below, value, above = np.quantile(ordered, at, method="inverted_cdf").tolist()
    return _End(value, (above - below) / 2)


def sensitivity(cells: Cells) -> Float64Array:
    """TP / (TP + FN), `[draws]`."""
    return cells.tp / (cells.tp + cells.fn)


def specificity(cells: Cells) -> Float64Array:
    """TN / (TN + FP), `[draws]`."""
    return cells.tn / (cells.tn + cells.fp)


def youden(cells: Cells) -> Float64Array:
    """Sensitivity + specificity - 1, `[draws]`."""
    return sensitivity(cells) + specificity(cells) - 1


def matthews(cells: Cells) -> Float64Array:
    """Matthews correlation, `[draws]`; NaN where a margin is 0."""
    tp, fp, tn, fn = (count.astype(np.float64) for count in cells)
    correlation: Float64Array = (tp * tn - fp * fn) / np.sqrt(
        (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    )
    return correlation


# Figures of the 2x2 table, as in report/metrics; NaN where undefined, infinite without bound.
FIGURES: Mapping[str, Figure] = {
    "balanced_accuracy": lambda cells: (sensitivity(cells) + specificity(cells)) / 2,
    "geometric_mean": lambda cells: np.sqrt(sensitivity(cells) * specificity(cells)),
    "f1": lambda cells: 2 * cells.tp / (2 * cells.tp + cells.fp + cells.fn),
    "ppv": lambda cells: cells.tp / (cells.tp + cells.fp),
    "npv": lambda cells: cells.tn / (cells.tn + cells.fn),
    "lr_positive": lambda cells: sensitivity(cells) / (1 - specificity(cells)),
    "lr_negative": lambda cells: (1 - sensitivity(cells)) / specificity(cells),
    "youden": youden,
    "matthews": matthews,
}


def ppv_at(prevalence: float) -> Figure:
    """PPV where this share of images is malignant."""

    def figure(cells: Cells) -> Float64Array:
        true = sensitivity(cells) * prevalence
        return true / (true + (1 - specificity(cells)) * (1 - prevalence))

    return figure


def npv_at(prevalence: float) -> Figure:
    """NPV where this share of images is malignant."""

    def figure(cells: Cells) -> Float64Array:
        true = specificity(cells) * (1 - prevalence)
        return true / (true + (1 - sensitivity(cells)) * prevalence)

    return figure


def net_benefit_at(threshold: float, prevalence: float | None = None) -> Figure:
    """Net benefit at this threshold, below 1; at the images' prevalence or at another one."""
    odds = threshold / (1 - threshold)
    if prevalence is None:
        return lambda cells: (cells.tp - cells.fp * odds) / sum(cells)
    sick, healthy = prevalence, 1 - prevalence
    return lambda cells: sensitivity(cells) * sick - (1 - specificity(cells)) * healthy * odds


def avoided_at(threshold: float, prevalence: float | None = None) -> Figure:
    """Interventions avoided per 100 patients at this threshold, above 0; prevalence as above."""
    odds = (1 - threshold) / threshold
    if prevalence is None:
        return lambda cells: 100 * (cells.tn - cells.fn * odds) / sum(cells)
    sick, healthy = prevalence, 1 - prevalence
    return lambda cells: (
        100 * (specificity(cells) * healthy - (1 - sensitivity(cells)) * sick * odds)
    )
