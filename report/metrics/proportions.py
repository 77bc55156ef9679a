"""Figures that are counts of the 2x2 table over one another."""

import math

from statsmodels.stats.proportion import proportion_confint

from report.metrics.confusion import Confusion
from report.metrics.estimate import Accuracy, Estimate, Proportion


def proportion(count: int, total: int, reason: str, confidence: float = 0.95) -> Proportion:
    """A proportion and its interval (Wilson 1927); undefined for `reason` if `total` is 0."""
    if total == 0:
        return Proportion(None, reason)
    low, high = proportion_confint(count, total, alpha=1 - confidence, method="wilson")
    return Proportion(
        value=count / total,
        count=count,
        total=total,
        # Exactly 0 and 1 there, which rounding misses by a hair.
        low=float(low) if count else 0.0,
        high=float(high) if count < total else 1.0,
    )


def accuracy(table: Confusion, nothing: str, confidence: float = 0.95) -> Accuracy:
    """Right answers of all, beside the share of the more frequent class."""
    right = proportion(table.tp + table.tn, table.total, nothing, confidence)
    if right.value is None:
        return Accuracy(None, nothing)
    larger = max(table.benign, table.malignant)
    return Accuracy(
        value=right.value,
        count=right.count,
        total=right.total,
        low=right.low,
        high=right.high,
        baseline=larger / table.total,
        majority="benign" if table.benign == larger else "malignant",
    )


def balanced_accuracy(sensitivity: Estimate, specificity: Estimate) -> Estimate:
    """The arithmetic mean of the two."""
    # A mean of two proportions is none itself, so a Wilson interval would be wrong here.
    if sensitivity.value is None or specificity.value is None:
        return Estimate(None, sensitivity.reason or specificity.reason)
    return Estimate((sensitivity.value + specificity.value) / 2)


def geometric_mean(sensitivity: Estimate, specificity: Estimate) -> Estimate:
    """The square root of sensitivity times specificity (Kubat & Matwin 1997)."""
    if sensitivity.value is None or specificity.value is None:
        return Estimate(None, sensitivity.reason or specificity.reason)
    return Estimate(math.sqrt(sensitivity.value * specificity.value))


def f1(table: Confusion, nothing: str) -> Estimate:
    """2 TP / (2 TP + FP + FN), the harmonic mean of sensitivity and PPV."""
    if table.malignant == 0:
        return Estimate(None, nothing if table.total == 0 else "no malignant images")
    return Estimate(2 * table.tp / (2 * table.tp + table.fp + table.fn))
