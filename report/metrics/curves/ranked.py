"""Malignant images in order of score, and the benign ones between them.

Areas depend on the scores by these counts alone, however many benign images there are. Counts are
`[draws, g]`: the images themselves are one draw, and a bootstrap draws others.
"""

from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array, Int64Array, LabelArray


class Ranked(NamedTuple):
    """Counts at the distinct scores of malignant images, the highest first, each `[draws, g]`.

    `malignant` have the score, `above` are benign with a higher one, down to the malignant image
    before, and `level` are benign with the same. `benign` counts all benign images.
    """

    malignant: Int64Array
    above: Int64Array
    level: Int64Array
    benign: int


def ranked(labels: LabelArray, scores: Float64Array) -> Ranked:
    """The one draw of the images themselves; both classes must be present."""
    values, times = np.unique(scores[labels == 1], return_counts=True)
    benign = np.sort(scores[labels == 0])
    below = np.searchsorted(benign, values[::-1], "left")
    level = np.searchsorted(benign, values[::-1], "right") - below
    above = np.diff(len(benign) - below - level, prepend=0)
    above[1:] -= level[:-1]
    return Ranked(times[None, ::-1], above[None], level[None], len(benign))


def average_precisions(of: Ranked) -> Float64Array:
    """Average precision of each draw, `[draws]`, as scikit-learn defines it."""
    true = np.cumsum(of.malignant, axis=1)
    false = np.cumsum(of.above + of.level, axis=1)
    # Where nothing is positive yet, the weight is 0.
    precision = true / np.maximum(true + false, 1)
    averages: Float64Array = (of.malignant * precision).sum(axis=1) / true[:, -1]
    return averages


def partial_areas(of: Ranked, sensitivity: float) -> Float64Array:
    """The area between the ROC curve and this sensitivity, `[draws]`, at most 1 - `sensitivity`.

    As pROC's `partial.auc=c(1, sensitivity), partial.auc.focus="sensitivity"`: specificity over
    sensitivity, with straight lines across ties.
    """
    true = np.cumsum(of.malignant, axis=1)
    last = true / true[:, -1:]
    first = (true - of.malignant) / true[:, -1:]
    false = np.cumsum(of.above + of.level, axis=1)
    high, low = 1 - (false - of.level) / of.benign, 1 - false / of.benign
    start = np.maximum(first, sensitivity)
    # Only the step that crosses `sensitivity` begins within.
    within = (start - first) / np.maximum(last - first, 1e-300)
    heights = (high + within * (low - high) + low) / 2
    areas: Float64Array = (np.maximum(last - start, 0) * heights).sum(axis=1)
    return areas
