"""Net benefit: the value of acting on the scores (Vickers & Elkin 2006)."""

from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate, NetBenefit


class DecisionCurve(NamedTuple):
    """Net benefit by threshold, all `[m]`; that of treating no patient is 0."""

    thresholds: Float64Array
    model: Float64Array
    treat_all: Float64Array


def net_benefit(table: Confusion, threshold: float, nothing: str) -> NetBenefit:
    """TP/n - FP/n x t/(1-t): true positives minus false positives weighted by the odds of t.

    The threshold t is read as a probability that the image is malignant.
    """
    if table.total == 0:
        return NetBenefit(None, nothing)
    if threshold == 1:
        return NetBenefit(None, "at threshold 1 the cost of a false positive is unbounded")
    odds, n = threshold / (1 - threshold), table.total
    return NetBenefit(
        table.tp / n - table.fp / n * odds,
        treat_all=table.malignant / n - table.benign / n * odds,
    )


def interventions_avoided(table: Confusion, threshold: float, nothing: str) -> Estimate:
    """How many interventions fewer than treating all, per 100 patients, for the same net benefit.

    Net reduction in interventions: (net benefit - that of treating all) / odds of t, x 100
    (Vickers & Elkin 2006), which is 100 (TN/n - FN/n x (1-t)/t).
    """
    if table.total == 0:
        return Estimate(None, nothing)
    if threshold == 0:
        return Estimate(None, "at threshold 0 all are treated")
    missed = table.fn * (1 - threshold) / threshold
    return Estimate(100 * (table.tn - missed) / table.total)


def decision_curve(
    labels: LabelArray, scores: Float64Array, thresholds: Float64Array
) -> DecisionCurve:
    """Net benefit at each of `thresholds` `[m]` in [0, 1); needs at least one image."""
    n, odds = len(labels), thresholds / (1 - thresholds)
    malignant, benign = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    tp = len(malignant) - np.searchsorted(malignant, thresholds, "left")
    fp = len(benign) - np.searchsorted(benign, thresholds, "left")
    return DecisionCurve(
        thresholds, tp / n - fp / n * odds, len(malignant) / n - len(benign) / n * odds
    )
