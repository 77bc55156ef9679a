"""Thresholds chosen on one dataset for use on others."""

import math

import numpy as np

from base.arrays import Float64Array, LabelArray


def threshold_for_sensitivity(labels: LabelArray, scores: Float64Array, target: float) -> float:
    """The highest threshold whose sensitivity on these images is at least `target`.

    It lies half-way between the lowest score that must be positive and the next lower score, so
    that rounding a score differently moves no image of this dataset across it.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; at least one malignant.
        scores: `[n]`, in [0, 1].
        target: in (0, 1].
    """
    malignant = np.sort(scores[labels == 1])[::-1]
    if not len(malignant):
        raise ValueError("sensitivity is undefined without malignant images")
    # A product such as 0.9 * 10 can round above 9; that must not require one more image.
    needed = max(1, math.ceil(target * len(malignant) - 1e-9))
    return just_below(scores, float(malignant[needed - 1]))


def just_below(scores: Float64Array, lowest: float) -> float:
    """The threshold half-way between `lowest` and the next lower score.

    Args:
        scores: `[n]`, with `lowest` among them.
        lowest: in [0, 1].
    """
    below = scores[scores < lowest]
    return _half_way(float(below.max()), lowest) if len(below) else lowest


def _half_way(low: float, high: float) -> float:
    """The middle, within a hundredth of the gap, in as few digits as possible for typing.

    The result is above `low` and at most `high`, even for neighbouring floats.
    """
    middle = (low + high) / 2
    for decimals in range(1, 17):
        short = round(middle, decimals)
        if low < short <= high and abs(short - middle) <= (high - low) / 100:
            return short
    return middle if middle > low else high
