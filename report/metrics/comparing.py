"""Compares two models on the same images: paired AUCs, and answers by true class. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import mcnemar

from base.arrays import BoolArray, Float64Array, LabelArray
from report.metrics.confusion import why_undefined
from report.metrics.delong import PairedTest, delong, paired_test
from report.metrics.estimate import Estimate, Proportion
from report.metrics.proportions import proportion
from report.metrics.ranking import of_delong


class McNemar(NamedTuple):
    """Two runs' answers on the images of one true class, with McNemar's exact two-sided test.

    `right` are the sensitivities (or specificities) of A and B. `p` is None, with a reason, if
    there is no image.
    """

    right: tuple[Proportion, Proportion]
    only_a_positive: int
    only_b_positive: int
    p: float | None
    reason: str | None = None


class Comparison(NamedTuple):
    """Two runs, each at its threshold; `changed` are indices `[m]` of images they disagree on."""

    confidence: float
    aucs: tuple[Estimate, Estimate]
    auc_test: PairedTest | None
    malignant: McNemar
    benign: McNemar
    positive: tuple[BoolArray, BoolArray]
    changed: npt.NDArray[np.intp]


def compare(
    labels: LabelArray,
    scores: Float64Array,
    thresholds: tuple[float, float],
    confidence: float = 0.95,
) -> Comparison:
    """Compare two runs on the images that both scored.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[2, n]`, in [0, 1].
        thresholds: of A and B; an image is positive when its score >= threshold.
        confidence: of every interval, in (0, 1).
    """
    positive = scores[0] >= thresholds[0], scores[1] >= thresholds[1]
    aucs, test = _aucs(labels, scores, confidence)
    return Comparison(
        confidence=confidence,
        aucs=aucs,
        auc_test=test,
        malignant=_mcnemar(labels == 1, positive, "malignant", confidence),
        benign=_mcnemar(labels == 0, positive, "benign", confidence),
        positive=positive,
        changed=np.flatnonzero(positive[0] != positive[1]),
    )


def _aucs(
    labels: LabelArray, scores: Float64Array, confidence: float
) -> tuple[tuple[Estimate, Estimate], PairedTest | None]:
    reason = why_undefined(labels, "no labelled images")
    if reason is not None:
        return (Estimate(None, reason), Estimate(None, reason)), None
    two = delong(labels, scores)
    malignant = int(np.count_nonzero(labels == 1))
    classes = malignant, len(labels) - malignant
    first, second = (
        of_delong(float(auc), float(variance), classes, confidence)
        for auc, variance in zip(two.aucs, np.diag(two.covariance), strict=True)
    )
    return (first, second), paired_test(two, confidence)


def _mcnemar(
    truth: BoolArray, positive: tuple[BoolArray, BoolArray], name: str, confidence: float
) -> McNemar:
    """The exact test (McNemar 1947, by the binomial distribution) among the images of one class."""
    total = int(np.count_nonzero(truth))
    nothing = f"no {name} images"
    a, b = (answers[truth] for answers in positive)
    correct = [np.count_nonzero(answers if name == "malignant" else ~answers) for answers in (a, b)]
    first, second = (proportion(int(count), total, nothing, confidence) for count in correct)
    only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    if not total:
        return McNemar((first, second), 0, 0, None, nothing)
    both = int(np.count_nonzero(a & b))
    cells = [[both, only_a], [only_b, total - both - only_a - only_b]]
    p = float(mcnemar(cells, exact=True).pvalue) if only_a or only_b else 1.0
    return McNemar((first, second), only_a, only_b, p)
