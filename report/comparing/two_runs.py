"""Compares two models on the same images: paired AUCs, and answers by true class. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import mcnemar

from base.arrays import BoolArray, Float64Array, LabelArray
from report.comparing.paired_difference import paired_difference
from report.metrics.confusion import why_undefined
from report.metrics.delong import AucTest, DeLong, delong, paired_test
from report.metrics.estimate import Estimate, Proportion
from report.metrics.proportions import proportion
from report.metrics.ranking import of_delong

Answers = tuple[BoolArray | None, BoolArray | None]


class McNemar(NamedTuple):
    """Two runs' answers on the images of one true class, with McNemar's exact two-sided test.

    `right` are the sensitivities (or specificities) of A and B, and `difference` is A minus B.
    Counts are None where answers cannot be compared image by image. Where `p` is None, `reason`
    says why.
    """

    right: tuple[Proportion, Proportion]
    difference: Estimate
    only_a_positive: int | None
    only_b_positive: int | None
    p: float | None
    reason: str | None = None


class Comparison(NamedTuple):
    """Two runs, each at its threshold; `changed` are indices `[m]` of images they disagree on.

    `positive` are the answers of A and B to the same images, each None without a threshold. If one
    is None, no image can change sides, and `changed` is empty.
    """

    confidence: float
    aucs: tuple[Estimate, Estimate]
    auc_test: AucTest | None
    malignant: McNemar
    benign: McNemar
    positive: Answers
    changed: npt.NDArray[np.intp]

    @property
    def by_image(self) -> bool:
        """Whether both runs answer the same images, so that one can change sides."""
        return self.positive[0] is not None and self.positive[1] is not None

    @property
    def auc_difference(self) -> Estimate:
        """The AUC of A minus that of B, or why it is undefined."""
        if self.auc_test is None:
            return Estimate(None, self.aucs[0].reason or self.aucs[1].reason)
        interval = self.auc_test.interval
        return Estimate(self.auc_test.difference, interval.reason, interval.low, interval.high)


def compare(
    labels: LabelArray,
    scores: Float64Array,
    thresholds: tuple[float | None, float | None],
    confidence: float = 0.95,
) -> Comparison:
    """Compare two runs on the images that both scored.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[2, n]`, in [0, 1].
        thresholds: of A and B; an image is positive when its score >= threshold. Without one,
            figures of answers are undefined.
        confidence: of every interval, in (0, 1).
    """
    a, b = answers(scores[0], thresholds[0]), answers(scores[1], thresholds[1])
    aucs, test = _aucs(labels, scores, confidence)
    return Comparison(
        confidence=confidence,
        aucs=aucs,
        auc_test=test,
        malignant=_mcnemar(labels == 1, (a, b), "malignant", confidence),
        benign=_mcnemar(labels == 0, (a, b), "benign", confidence),
        positive=(a, b),
        changed=np.flatnonzero(() if a is None or b is None else a != b),
    )


def answers(scores: Float64Array, threshold: float | None) -> BoolArray | None:
    """Which images are positive, `[n]`; None without a threshold."""
    return None if threshold is None else scores >= threshold


def auc_estimates(found: DeLong, labels: LabelArray, confidence: float) -> list[Estimate]:
    """Each AUC of these images with its interval."""
    malignant = int(np.count_nonzero(labels == 1))
    classes = malignant, len(labels) - malignant
    return [
        of_delong(float(auc), float(variance), classes, confidence)
        for auc, variance in zip(found.aucs, np.diag(found.covariance), strict=True)
    ]


def share_right(
    truth: BoolArray, positive: BoolArray | None, name: str, side: str, confidence: float
) -> Proportion:
    """The sensitivity (or specificity) among the images of one true class.

    Args:
        truth: `[n]`, which images are of the class.
        positive: `[n]`, the answers of the run; None without a threshold.
        name: of the class, "malignant" or "benign".
        side: the run, for the reason.
        confidence: of the interval, in (0, 1).
    """
    if positive is None:
        return Proportion(None, no_threshold(side))
    found = int(np.count_nonzero(truth & (positive if name == "malignant" else ~positive)))
    return proportion(found, int(np.count_nonzero(truth)), no_images(name), confidence)


def no_threshold(*sides: str) -> str:
    """Why figures of answers are undefined."""
    return f"{' and '.join(sides)} {'has' if len(sides) == 1 else 'have'} no threshold"


def no_images(name: str) -> str:
    """Why figures of one true class are undefined."""
    return f"no {name} images"


def _aucs(
    labels: LabelArray, scores: Float64Array, confidence: float
) -> tuple[tuple[Estimate, Estimate], AucTest | None]:
    reason = why_undefined(labels, "no labelled images")
    if reason is not None:
        return (Estimate(None, reason), Estimate(None, reason)), None
    two = delong(labels, scores)
    first, second = auc_estimates(two, labels, confidence)
    return (first, second), paired_test(two, confidence)


def _mcnemar(truth: BoolArray, positive: Answers, name: str, confidence: float) -> McNemar:
    """The exact test (McNemar 1947, by the binomial distribution) among the images of one class."""
    first, second = (
        share_right(truth, one, name, side, confidence)
        for one, side in zip(positive, "AB", strict=True)
    )
    a, b = positive
    if a is None or b is None:
        without = [side for side, one in zip("AB", positive, strict=True) if one is None]
        reason = no_threshold(*without)
        return McNemar((first, second), Estimate(None, reason), None, None, None, reason)
    total = int(np.count_nonzero(truth))
    only_a, only_b = int(np.count_nonzero(truth & a & ~b)), int(np.count_nonzero(truth & b & ~a))
    if not total:
        reason = no_images(name)
        return McNemar((first, second), Estimate(None, reason), 0, 0, None, reason)
    # Among benign images the run that is positive is wrong.
    right = (only_a, only_b) if name == "malignant" else (only_b, only_a)
    difference = paired_difference(*right, total, confidence)
    return McNemar((first, second), difference, only_a, only_b, _exact(only_a, only_b))


def _exact(only_a: int, only_b: int) -> float:
    # Concordant pairs do not count.
    return float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue) if only_a + only_b else 1.0
