"""ROC AUC with its variance, and two AUCs on the same images (DeLong, DeLong, Clarke-Pearson 1988).

The structural components come from ranks instead of all pairs (Sun & Xu 2014), in float64 and whole
numbers, so that ties are exact and equal components have a variance of exactly zero.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, LabelArray

# Relative size that rounding leaves of a variance whose true value is zero.
_ROUNDING = 1e-12


class DeLong(NamedTuple):
    """AUCs `[k]` and their covariance `[k, k]`, which is NaN if a class has only one image."""

    aucs: Float64Array
    covariance: Float64Array


class Interval(NamedTuple):
    """Both ends of an interval, or neither and the reason."""

    low: float | None
    high: float | None
    reason: str | None = None


class PairedTest(NamedTuple):
    """The first AUC minus the second; where `z` and `p` are undefined, `reason` says why."""

    difference: float
    interval: Interval
    z: float | None
    p: float | None
    reason: str | None = None


def delong(labels: LabelArray, scores: npt.ArrayLike) -> DeLong:
    """AUCs of `k` models on the same images, and their covariance.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; both classes must be present.
        scores: `[k, n]`, finite; a higher score means more likely malignant.

    Raises:
        ValueError: the shapes do not match, a score is not finite, a label is neither 0 nor 1, or
            a class is missing.
    """
    below, above = placements(labels, scores)
    m, n = below.shape[1], above.shape[1]
    aucs: Float64Array = below.mean(axis=1) / (2 * n)
    return DeLong(aucs, _covariance(below) / (4 * n * n) + _covariance(above) / (4 * m * m))


def placements(labels: LabelArray, scores: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """The structural components as whole numbers, in the order of the images of their class.

    Twice the benign images below each malignant one, `[k, m]`, ties counting half; and twice the
    malignant images above each benign one, `[k, n]`. Arguments and errors are those of `delong`.
    """
    columns = np.asarray(scores, dtype=np.float64)
    _check(labels, columns)
    malignant, benign = columns[:, labels == 1], columns[:, labels == 0]
    pairs = list(zip(malignant, benign, strict=True))
    below = np.array([_twice_below(b, a) for a, b in pairs])
    return below, 2 * malignant.shape[1] - np.array([_twice_below(a, b) for a, b in pairs])


def auc_interval(auc: float, variance: float, confidence: float = 0.95) -> Interval:
    """The normal interval of an AUC, clipped to [0, 1].

    No interval is given if the variance is undefined (NaN) or zero, as under perfect separation:
    [1, 1] would present a small sample as certainty.
    """
    if math.isnan(variance):
        return Interval(None, None, "a class with one image leaves the variance undefined")
    if variance <= 0:
        why = "perfect separation" if auc in (0.0, 1.0) else "all scores are equal"
        return Interval(None, None, f"{why}: the estimated variance is 0")
    low, high = _normal(auc, variance, confidence)
    return Interval(max(0.0, low), min(1.0, high))


def paired_test(two: DeLong, confidence: float = 0.95) -> PairedTest:
    """Whether two AUCs on the same images differ: z, two-sided p, interval of the difference.

    Args:
        two: the AUCs of two score columns; the difference is the first minus the second.
        confidence: of the interval, in (0, 1).
    """
    first, second = map(float, two.aucs)
    difference = first - second
    single = float(np.trace(two.covariance))
    variance = single - 2 * float(two.covariance[0, 1])
    reason = _no_test(single, variance)
    if reason is not None:
        return PairedTest(difference, Interval(None, None, reason), None, None, reason)
    z = difference / math.sqrt(variance)
    low, high = _normal(difference, variance, confidence)
    interval = Interval(max(-1.0, low), min(1.0, high))
    return PairedTest(difference, interval, z, math.erfc(abs(z) / math.sqrt(2)))


def _check(labels: LabelArray, columns: Float64Array) -> None:
    if columns.ndim != 2 or labels.shape != columns.shape[1:]:
        raise ValueError(f"labels {labels.shape} and scores {columns.shape} are not [n] and [k, n]")
    if not np.isfinite(columns).all():
        raise ValueError("a score is not finite")
    if not np.array_equal(np.unique(labels), (0, 1)):
        raise ValueError("labels must be 0 and 1, and both classes must be present")


def _twice_below(ranked: Float64Array, values: Float64Array) -> Float64Array:
    """Twice the number of `ranked` below each of `values`; equal values count half."""
    ordered = np.sort(ranked)
    # Sorted queries search neighbouring positions: three times as fast for a million values.
    order = np.argsort(values)
    sorted_values = values[order]
    twice = np.empty(len(values))
    twice[order] = np.searchsorted(ordered, sorted_values, "left")
    twice[order] += np.searchsorted(ordered, sorted_values, "right")
    return twice


def _covariance(components: Float64Array) -> Float64Array:
    """The covariance `[k, k]` of the mean of `[k, m]`."""
    k, m = components.shape
    if m < 2:
        return np.full((k, k), np.nan)
    covariance: Float64Array = np.cov(components).reshape(k, k) / m
    return covariance


def _no_test(single: float, variance: float) -> str | None:
    if math.isnan(variance):
        return "a class with one image leaves the variance undefined"
    if variance <= _ROUNDING * single:
        return "the estimated variance of the difference is 0"
    return None


def _normal(middle: float, variance: float, confidence: float) -> tuple[float, float]:
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    return middle - half, middle + half
