"""Net benefit: the value of acting on the scores (Vickers & Elkin 2006)."""

import math
from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate, NetBenefit

UNBOUNDED = "at threshold 1 the cost of a false positive is unbounded"


class DecisionCurve(NamedTuple):
    """Net benefit by threshold, all `[m]`; that of treating no patient is 0."""

    thresholds: Float64Array
    model: Float64Array
    treat_all: Float64Array


class Sizes(NamedTuple):
    """For each class, how many images a sample has that holds its images at some prevalence."""

    malignant: float
    benign: float


def sizes_at(malignant: int, benign: int, prevalence: float | None) -> Sizes:
    """The sizes at this prevalence, in (0, 1), or without one the number of all images.

    A share of them is a share of a population of that prevalence: TP / (malignant / p) is
    sensitivity x p (Vickers & Elkin 2006; `prevalence` of R's dcurves).
    """
    if prevalence is None:
        return Sizes(malignant + benign, malignant + benign)
    return Sizes(malignant / prevalence, benign / (1 - prevalence))


def net_benefit(
    table: Confusion, threshold: float, nothing: str, prevalence: float | None = None
) -> NetBenefit:
    """TP/n - FP/n x t/(1-t): true positives minus false positives weighted by the odds of t.

    The threshold t is read as a probability that the image is malignant. With a prevalence, the
    shares are those of a population where it holds; this needs images of both classes.
    """
    if (reason := _why_undefined(table, nothing, prevalence)) is not None:
        return NetBenefit(None, reason)
    if threshold == 1:
        return NetBenefit(None, UNBOUNDED)
    odds, n = threshold / (1 - threshold), sizes_at(table.malignant, table.benign, prevalence)
    return NetBenefit(
        table.tp / n.malignant - table.fp / n.benign * odds,
        treat_all=table.malignant / n.malignant - table.benign / n.benign * odds,
    )


def interventions_avoided(
    table: Confusion, threshold: float, nothing: str, prevalence: float | None = None
) -> Estimate:
    """How many interventions fewer than treating all, per 100 patients, for the same net benefit.

    Net reduction in interventions: (net benefit - that of treating all) / odds of t, x 100
    (Vickers & Elkin 2006), which is 100 (TN/n - FN/n x (1-t)/t), with shares as in `net_benefit`.
    """
    if (reason := _why_undefined(table, nothing, prevalence)) is not None:
        return Estimate(None, reason)
    if threshold == 0 or math.isinf(odds := (1 - threshold) / threshold):
        return Estimate(None, "at threshold 0 all are treated")
    n = sizes_at(table.malignant, table.benign, prevalence)
    return Estimate(100 * (table.tn / n.benign - table.fn / n.malignant * odds))


def decision_curve(
    labels: LabelArray,
    scores: Float64Array,
    thresholds: Float64Array,
    prevalence: float | None = None,
) -> DecisionCurve:
    """Net benefit at each of `thresholds` `[m]` in [0, 1), as `net_benefit` defines it.

    It needs at least one image, and with a prevalence one of each class.
    """
    odds = thresholds / (1 - thresholds)
    malignant, benign = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    tp = len(malignant) - np.searchsorted(malignant, thresholds, "left")
    fp = len(benign) - np.searchsorted(benign, thresholds, "left")
    n = sizes_at(len(malignant), len(benign), prevalence)
    return DecisionCurve(
        thresholds,
        tp / n.malignant - fp / n.benign * odds,
        len(malignant) / n.malignant - len(benign) / n.benign * odds,
    )


def _why_undefined(table: Confusion, nothing: str, prevalence: float | None) -> str | None:
    if table.total == 0:
        return nothing
    if prevalence is not None and 0 in (table.malignant, table.benign):
        return f"no {'benign' if table.malignant else 'malignant'} images"
    return None
