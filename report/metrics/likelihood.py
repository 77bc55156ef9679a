"""Likelihood ratios, and predictive values at another prevalence."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate
from report.metrics.proportions import NO_NEGATIVE, NO_POSITIVE

# Why a figure has no interval.
NO_FALSE_POSITIVES = "no false positives: no interval"
NO_TRUE_NEGATIVES = "no true negatives: no interval"
ZERO_COUNT = "a count of 0: no interval on the log scale"
NO_VARIANCE = "both proportions are 1: the estimated variance is 0"


@dataclass(frozen=True, slots=True)
class AtPrevalence:
    """Predictive values for a population where this share of images is malignant."""

    prevalence: float
    ppv: Estimate
    npv: Estimate


def lr_positive(table: Confusion, nothing: str, confidence: float = 0.95) -> Estimate:
    """Sensitivity / (1 - specificity): a positive result multiplies the odds by this."""
    if (absent := _absent(table, nothing)) is not None:
        return Estimate(None, absent)
    if table.positive == 0:
        return Estimate(None, "no image is positive: it is 0/0")
    if table.fp == 0:
        return Estimate(None, "no false positives: it is without bound")
    return _ratio((table.tp, table.malignant), (table.fp, table.benign), confidence)


def lr_negative(table: Confusion, nothing: str, confidence: float = 0.95) -> Estimate:
    """(1 - sensitivity) / specificity: a negative result multiplies the odds by this."""
    if (absent := _absent(table, nothing)) is not None:
        return Estimate(None, absent)
    if table.negative == 0:
        return Estimate(None, "no image is negative: it is 0/0")
    if table.tn == 0:
        return Estimate(None, "no true negatives: it is without bound")
    return _ratio((table.fn, table.malignant), (table.tn, table.benign), confidence)


def at_prevalence(
    table: Confusion, prevalence: float, nothing: str, confidence: float = 0.95
) -> AtPrevalence:
    """PPV and NPV at another prevalence, by Bayes' theorem: posterior odds = ratio x prior odds.

    The intervals follow from those of the ratios; for a known prevalence this is the logit interval
    of Mercaldo, Lau & Zhou 2007.
    """
    odds = prevalence / (1 - prevalence)
    positive = lr_positive(table, nothing, confidence)
    negative = lr_negative(table, nothing, confidence)
    ppv = _probability(positive, odds)
    if table.fp == 0 and table.tp and table.benign:
        ppv = Estimate(1.0, NO_FALSE_POSITIVES)
    elif table.positive == 0 and table.malignant and table.benign:
        ppv = Estimate(None, NO_POSITIVE)
    malignant = _probability(negative, odds)
    npv = Estimate(*_complement(malignant))
    if table.negative == 0 and table.malignant and table.benign:
        npv = Estimate(None, NO_NEGATIVE)
    elif table.tn == 0 and table.fn and table.benign:
        npv = Estimate(0.0, NO_TRUE_NEGATIVES)
    return AtPrevalence(prevalence, ppv, npv)


def _absent(table: Confusion, nothing: str) -> str | None:
    if table.total == 0:
        return nothing
    if table.malignant == 0:
        return "no malignant images"
    return "no benign images" if table.benign == 0 else None


def _ratio(upper: tuple[int, int], lower: tuple[int, int], confidence: float) -> Estimate:
    """A ratio of two proportions with its interval on the log scale (Simel et al. 1991)."""
    (a, m), (b, n) = upper, lower
    value = (a / m) / (b / n)
    if a == 0:
        return Estimate(0.0, ZERO_COUNT)
    spread = math.sqrt(max(0.0, 1 / a - 1 / m + 1 / b - 1 / n))
    if spread == 0:
        return Estimate(value, NO_VARIANCE)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    return Estimate(value, low=value * math.exp(-half), high=value * math.exp(half))


def _probability(ratio: Estimate, odds: float) -> Estimate:
    def after(value: float | None) -> float | None:
        return None if value is None else value * odds / (1 + value * odds)

    return Estimate(after(ratio.value), ratio.reason, after(ratio.low), after(ratio.high))


def _complement(
    figure: Estimate,
) -> tuple[float | None, str | None, float | None, float | None]:
    def complement(value: float | None) -> float | None:
        return None if value is None else 1 - value

    return complement(figure.value), figure.reason, complement(figure.high), complement(figure.low)
