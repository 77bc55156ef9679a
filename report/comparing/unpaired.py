"""Compares two models on different images: unpaired AUCs, sensitivities and specificities. Pure."""

import math

import numpy as np
from scipy.special import stdtr, stdtrit  # type: ignore[import-untyped] # it ships no types

from base.arrays import Float64Array, LabelArray
from report.comparing.two_runs import (
    Answers,
    Comparison,
    McNemar,
    answers,
    auc_estimates,
    share_right,
)
from report.metrics.confusion import why_undefined
from report.metrics.delong import AucTest, DeLong, Interval, delong, no_test
from report.metrics.estimate import Estimate, Proportion

DIFFERENT_IMAGES = "different images"


def compare_unpaired(
    labels: tuple[LabelArray, LabelArray],
    scores: tuple[Float64Array, Float64Array],
    thresholds: tuple[float | None, float | None],
    confidence: float = 0.95,
) -> Comparison:
    """Compare two runs that have no image in common, as independent samples.

    Args:
        labels: of A `[n]` and of B `[m]`, 1 malignant, 0 benign.
        scores: of A `[n]` and of B `[m]`, in [0, 1].
        thresholds: of A and B; without one, figures of answers are undefined.
        confidence: of every interval, in (0, 1).
    """
    a, b = (answers(*side) for side in zip(scores, thresholds, strict=True))
    aucs, test = _aucs(labels, scores, confidence)
    return Comparison(
        confidence=confidence,
        aucs=aucs,
        auc_test=test,
        malignant=_of_class(labels, (a, b), "malignant", confidence),
        benign=_of_class(labels, (a, b), "benign", confidence),
        positive=(None, None),
        changed=np.flatnonzero(()),
    )


def unpaired_test(
    first: DeLong, second: DeLong, images: tuple[int, int], confidence: float = 0.95
) -> AucTest:
    """Whether two AUCs on different images differ, as `roc.test(paired=FALSE)` of R's pROC.

    The difference over its standard error is compared with Student's t, with the degrees of
    freedom of Welch (1947) and Satterthwaite (1946), where each variance is DeLong's.

    Args:
        first: one AUC with its variance.
        second: the AUC that is subtracted.
        images: of the first and of the second, both classes together.
        confidence: of the interval, in (0, 1).
    """
    difference = float(first.aucs[0] - second.aucs[0])
    variances = [float(one.covariance[0, 0]) for one in (first, second)]
    variance = sum(variances)
    if (reason := no_test(0.0, variance)) is not None:
        return AucTest(difference, Interval(None, None, reason), None, None, reason)
    parts = zip(variances, images, strict=True)
    df = variance**2 / sum(each**2 / (count - 1) for each, count in parts)
    error = math.sqrt(variance)
    half = float(stdtrit(df, (1 + confidence) / 2)) * error
    interval = Interval(max(-1.0, difference - half), min(1.0, difference + half))
    t = difference / error
    return AucTest(difference, interval, t, 2 * float(stdtr(df, -abs(t))), df=df)


def unpaired_difference(first: Proportion, second: Proportion) -> Estimate:
    """The first proportion minus the second, of different images.

    The interval is made of both Wilson intervals (Newcombe, R. G. 1998, Statistics in Medicine
    17:873-890, method 10).
    """
    value, low, high = first.value, first.low, first.high
    other, other_low, other_high = second.value, second.low, second.high
    if value is None or low is None or high is None:
        return Estimate(None, first.reason)
    if other is None or other_low is None or other_high is None:
        return Estimate(None, second.reason)
    difference = value - other
    return Estimate(
        difference,
        low=difference - math.hypot(value - low, other_high - other),
        high=difference + math.hypot(high - value, other - other_low),
    )


def _aucs(
    labels: tuple[LabelArray, LabelArray],
    scores: tuple[Float64Array, Float64Array],
    confidence: float,
) -> tuple[tuple[Estimate, Estimate], AucTest | None]:
    reasons = [why_undefined(one, "no labelled images") for one in labels]
    found = [
        delong(of, score[None]) if reason is None else None
        for of, score, reason in zip(labels, scores, reasons, strict=True)
    ]
    a, b = (
        Estimate(None, reason) if one is None else auc_estimates(one, of, confidence)[0]
        for one, of, reason in zip(found, labels, reasons, strict=True)
    )
    first, second = found
    if first is None or second is None:
        return (a, b), None
    return (a, b), unpaired_test(first, second, (len(labels[0]), len(labels[1])), confidence)


def _of_class(
    labels: tuple[LabelArray, LabelArray], positive: Answers, name: str, confidence: float
) -> McNemar:
    """Both sensitivities (or specificities); answers to different images have no pairs."""
    first, second = (
        share_right(of == (name == "malignant"), one, name, side, confidence)
        for of, one, side in zip(labels, positive, "AB", strict=True)
    )
    difference = unpaired_difference(first, second)
    return McNemar((first, second), difference, None, None, None, DIFFERENT_IMAGES)
