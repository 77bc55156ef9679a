"""Figures of the 2x2 table, each a function of its counts, such as sensitivity and PPV.

`nothing` is the reason that a figure gives where the table holds no image at all.
"""

import math
from collections.abc import Callable

from statsmodels.stats.proportion import proportion_confint

from report.metrics.confusion import Confusion
from report.metrics.estimate import Accuracy, Estimate, Proportion

NO_POSITIVE, NO_NEGATIVE = "no image is positive", "no image is negative"


def proportion(
    count: int, total: int, reason: str, confidence: float = 0.95, *, design_effect: float = 1
) -> Proportion:
    """A proportion and its interval (Wilson 1927); undefined for `reason` if `total` is 0.

    The interval is that of a sample smaller by the `design_effect`, above 0.
    """
    if total == 0:
        return Proportion(None, reason)
    low, high = proportion_confint(
        count / design_effect, total / design_effect, alpha=1 - confidence, method="wilson"
    )
    return Proportion(
        value=count / total,
        count=count,
        total=total,
        # The ends are exactly 0 and 1 there; rounding misses them slightly.
        low=float(low) if count else 0.0,
        high=float(high) if count < total else 1.0,
    )


def prevalence(table: Confusion, nothing: str, confidence: float = 0.95) -> Proportion:
    """The share of malignant images: (TP + FN) / all."""
    return proportion(table.malignant, table.total, nothing, confidence)


def sensitivity(table: Confusion, nothing: str, confidence: float = 0.95) -> Proportion:
    """The share of malignant images that are positive: TP / (TP + FN)."""
    reason = "no malignant images" if table.total else nothing
    return proportion(table.tp, table.malignant, reason, confidence)


def specificity(table: Confusion, nothing: str, confidence: float = 0.95) -> Proportion:
    """The share of benign images that are negative: TN / (TN + FP)."""
    reason = "no benign images" if table.total else nothing
    return proportion(table.tn, table.benign, reason, confidence)


def ppv(table: Confusion, nothing: str, confidence: float = 0.95) -> Proportion:
    """Positive predictive value, TP / (TP + FP): malignant images among the positive."""
    reason = NO_POSITIVE if table.total else nothing
    return proportion(table.tp, table.positive, reason, confidence)


def npv(table: Confusion, nothing: str, confidence: float = 0.95) -> Proportion:
    """Negative predictive value, TN / (TN + FN): benign images among the negative."""
    reason = NO_NEGATIVE if table.total else nothing
    return proportion(table.tn, table.negative, reason, confidence)


def accuracy(table: Confusion, nothing: str, confidence: float = 0.95) -> Accuracy:
    """The share of correct answers, (TP + TN) / all, and the share of the more frequent class."""
    correct = proportion(table.tp + table.tn, table.total, nothing, confidence)
    if correct.value is None:
        return Accuracy(None, nothing)
    larger = max(table.benign, table.malignant)
    return Accuracy(
        value=correct.value,
        count=correct.count,
        total=correct.total,
        low=correct.low,
        high=correct.high,
        baseline=larger / table.total,
        majority="benign" if table.benign == larger else "malignant",
    )


def balanced_accuracy(table: Confusion, nothing: str) -> Estimate:
    """The mean of sensitivity and specificity. Wilson's interval does not hold for a mean."""
    return _of_both(table, nothing, lambda first, second: (first + second) / 2)


def geometric_mean(table: Confusion, nothing: str) -> Estimate:
    """The square root of sensitivity times specificity (Kubat & Matwin 1997)."""
    return _of_both(table, nothing, lambda first, second: math.sqrt(first * second))


def f1(table: Confusion, nothing: str) -> Estimate:
    """2 TP / (2 TP + FP + FN), the harmonic mean of sensitivity and PPV."""
    if table.malignant == 0:
        return Estimate(None, "no malignant images" if table.total else nothing)
    return Estimate(2 * table.tp / (2 * table.tp + table.fp + table.fn))


def _of_both(table: Confusion, nothing: str, mean: Callable[[float, float], float]) -> Estimate:
    """A mean of sensitivity and specificity, undefined where one of them is."""
    first, second = sensitivity(table, nothing), specificity(table, nothing)
    if first.value is None or second.value is None:
        return Estimate(None, first.reason or second.reason)
    return Estimate(mean(first.value, second.value))
