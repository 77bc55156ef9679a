"""Exact counts at the thresholds of the page's slider, few enough to embed in the page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from base.arrays import Float64Array, Int64Array, LabelArray
from report.thresholds.threshold_text import threshold_text

# Up to this many distinct scores are all embedded, which takes about 100 KB.
MOST_DISTINCT = 4000
# With more: every slider position, and scores spread evenly over the images of each class.
GRID = 1000
SPREAD = 1000
# Decimals of a threshold that is shown: at least, and those of which none tells more.
_DIGITS, _MOST_DIGITS = 4, 17


class ThresholdCounts(NamedTuple):
    """How many images of each class score in [thresholds[i], thresholds[i + 1]), all `[m]`.

    `unlabelled` counts images without a label.

    Thresholds ascend, so summing from the end gives true and false positives. This is exact at
    every threshold of the list. If `complete`, the list holds each distinct score, and the counts
    are exact at any threshold.
    """

    thresholds: Float64Array
    malignant: Int64Array
    benign: Int64Array
    unlabelled: Int64Array
    complete: bool

    def positives(self) -> tuple[Int64Array, Int64Array]:
        """True and false positives at each threshold, both `[m]`."""
        return _from_the_end(self.malignant), _from_the_end(self.benign)

    def nearest(self, threshold: float) -> float:
        """The threshold that the slider takes for this one: the nearest that has exact counts."""
        if self.complete:
            return threshold
        at = int(np.searchsorted(self.thresholds, threshold))
        candidates: list[float] = self.thresholds[max(at - 1, 0) : at + 1].tolist()
        return min(candidates, key=lambda one: abs(one - threshold))

    def rounded(self, threshold: float) -> str:
        """The threshold in few digits for reading; typed in, they select the same images."""
        for digits in range(_DIGITS, _MOST_DIGITS):
            for lower in (0, 10**-digits / 2):  # rounded, and rounded down
                short = round(threshold - lower, digits)
                same = self._place(self.nearest(short)) == self._place(threshold)
                if same and (0 < short < 1 or short == threshold):
                    return threshold_text(short)
        return threshold_text(threshold)

    def _place(self, threshold: float) -> int:
        return int(np.searchsorted(self.thresholds, threshold))

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON types; floats keep their exact value."""
        return {
            "thresholds": self.thresholds.tolist(),
            "malignant": self.malignant.tolist(),
            "benign": self.benign.tolist(),
            "unlabelled": self.unlabelled.tolist() if self.unlabelled.any() else None,
            "complete": self.complete,
        }


def count_by_threshold(labels: LabelArray, scores: Float64Array, *kept: float) -> ThresholdCounts:
    """Count these images; a list that is cut short also holds the thresholds `kept`.

    Args:
        labels: `[n]`, 1 malignant, 0 benign, -1 without a label.
        scores: `[n]`, in [0, 1].
        kept: thresholds that the page prints, in [0, 1], including the start of the slider.
    """
    distinct = np.unique(scores)
    complete = len(distinct) <= MOST_DISTINCT
    thresholds = distinct if complete else _chosen(labels, scores, kept)
    # Each score is a threshold if complete; otherwise 0 is one, so a lower one always exists.
    places = np.searchsorted(thresholds, scores, side="right") - 1
    malignant, benign, unlabelled = (
        np.bincount(places[labels == label], minlength=len(thresholds)) for label in (1, 0, -1)
    )
    return ThresholdCounts(thresholds, malignant, benign, unlabelled, complete)


def _chosen(labels: LabelArray, scores: Float64Array, kept: Sequence[float]) -> Float64Array:
    grid = np.arange(GRID + 1) / GRID
    spread = [_spread(scores[labels == label]) for label in (0, 1, -1)]
    return np.unique(np.concatenate([grid, kept, *spread]))


def _spread(scores: Float64Array) -> Float64Array:
    ordered = np.sort(scores)
    if not len(ordered):
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, SPREAD).round().astype(np.int64)]


def _from_the_end(counts: Int64Array) -> Int64Array:
    return np.cumsum(counts[::-1])[::-1]
