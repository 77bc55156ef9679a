"""Thresholds chosen on a dataset, to be prespecified for others."""

import math

import numpy as np

from report.arrays import Float64Array, LabelArray


def threshold_for_sensitivity(labels: LabelArray, scores: Float64Array, target: float) -> float:
    """The highest threshold whose sensitivity on these images is at least `target`.

    It lies half-way between the lowest score that must be positive and the next one below, so that
    another rounding of a score moves no image of this dataset across it.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; at least one malignant.
        scores: `[n]`, in [0, 1].
        target: in (0, 1].
    """
    malignant = np.sort(scores[labels == 1])[::-1]
    if not len(malignant):
        raise ValueError("sensitivity is undefined without malignant images")
    # 0.9 * 10 is 9.000000000000002 in floats of another order; a hair must not cost an image.
    needed = max(1, math.ceil(target * len(malignant) - 1e-9))
    return just_below(scores, float(malignant[needed - 1]))


def just_below(scores: Float64Array, lowest: float) -> float:
    """The threshold at which `lowest` is the lowest positive score: half-way to the next below.

    Args:
        scores: `[n]`, with `lowest` among them.
        lowest: in [0, 1].
    """
    below = scores[scores < lowest]
    return _half_way(float(below.max()), lowest) if len(below) else lowest


def _half_way(low: float, high: float) -> float:
    """The middle, to a hundredth of the gap, in as few digits as that takes: people type it.

    Above `low` and not above `high`, even of neighbouring floats.
    """
    middle = (low + high) / 2
    for decimals in range(1, 17):
        short = round(middle, decimals)
        if low < short <= high and abs(short - middle) <= (high - low) / 100:
            return short
    return middle if middle > low else high
