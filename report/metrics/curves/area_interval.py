"""The interval of a ROC AUC, which must hold in small samples too.

DeLong's normal interval is too narrow where few pairs of images are in the wrong order, and does
not exist where none is. `benchmarks/bench_auc_interval.py` shows how often each method holds.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

from scipy.optimize import brentq  # type: ignore[import-untyped] # it ships no types

from report.metrics.delong import Interval, auc_interval

DELONG, LOGIT, NEWCOMBE = "DeLong", "logit of DeLong", "Newcombe's method 5"
# Of the smaller class so many images, times the distance of the AUC from 0 or 1: from the second
# number on DeLong's interval holds, and from the first on that of its logit.
FEW, ENOUGH = 3, 10
# So near to 1 the score function is still below zero.
_BELOW_ONE = 1 - 1e-12


class AreaInterval(NamedTuple):
    """Both ends of an interval and its `method`, or neither and the reason."""

    low: float | None
    high: float | None
    reason: str | None = None
    method: str | None = None


def area_interval(
    auc: float, variance: float, classes: tuple[int, int], confidence: float = 0.95
) -> AreaInterval:
    """The interval by the method that holds for samples of this size.

    Args:
        auc: in [0, 1].
        variance: DeLong's; NaN if a class has one image.
        classes: the numbers of malignant and of benign images, each at least 1.
        confidence: in (0, 1).
    """
    method = chosen_method(auc, variance, classes)
    if method == DELONG:
        plain = auc_interval(auc, variance, confidence)
        return AreaInterval(*plain, None if plain.reason else DELONG)
    ends = newcombe(auc, classes, confidence)
    if method == LOGIT:
        ends = logit(auc, variance, confidence)
    return AreaInterval(ends.low, ends.high, None, method)


def chosen_method(auc: float, variance: float, classes: tuple[int, int]) -> str:
    """DeLong's where the sample is large enough, or all scores are equal; else logit or Newcombe's.

    With 10 malignant images and more benign ones, Newcombe's is taken above an AUC of 0.7; with 100
    malignant images DeLong's up to an AUC of 0.9.
    """
    wrong = min(classes) * min(auc, 1 - auc)
    all_equal = variance <= 0 and 0 < auc < 1
    if all_equal or wrong >= ENOUGH:
        return DELONG
    return NEWCOMBE if wrong < FEW or math.isnan(variance) else LOGIT


def logit(auc: float, variance: float, confidence: float = 0.95) -> Interval:
    """The normal interval of the AUC's logit (Pepe 2003, section 5.2.4); 0 < auc < 1."""
    middle = math.log(auc / (1 - auc))
    half = _z(confidence) * math.sqrt(variance) / (auc * (1 - auc))
    return Interval(_expit(middle - half), _expit(middle + half))


def newcombe(auc: float, classes: tuple[int, int], confidence: float = 0.95) -> Interval:
    """Method 5 of Newcombe (Statistics in Medicine 2006; 25:559-573), of AUC and sizes alone.

    The ends are those areas from which this one differs by z standard errors. The errors are
    Hanley and McNeil's (1982), made symmetric in the two classes.
    """
    z = _z(confidence)
    return Interval(_lower_end(auc, classes, z), 1 - _lower_end(1 - auc, classes, z))


def score_function(truth: float, auc: float, classes: tuple[int, int], z: float) -> float:
    """At most 0 for every true area that the interval of method 5 holds."""
    product, half = classes[0] * classes[1], sum(classes) / 2 - 1
    spread = truth * (1 - truth)
    variance = spread * (2 + half + (1 + 2 * half) * spread)
    return product * (auc - truth) ** 2 * (2 - truth) * (1 + truth) - z**2 * variance


def _lower_end(auc: float, classes: tuple[int, int], z: float) -> float:
    if auc <= 0:
        return 0.0
    below = min(auc, _BELOW_ONE)
    return float(brentq(score_function, 0, below, args=(auc, classes, z), xtol=1e-15))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
