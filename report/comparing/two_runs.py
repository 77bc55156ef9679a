"""Compares two models on the same images: paired AUCs, and answers by true class. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import mcnemar

from base.arrays import BoolArray, Float64Array, Int64Array, LabelArray
from report.clustering.obuchowski import auc_estimate as clustered_auc
from report.clustering.obuchowski import obuchowski
from report.clustering.proportions import clustered_proportion
from report.comparing.by_cluster import clustered_difference
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
    clusters: Int64Array | None = None,
) -> Comparison:
    """Compare two runs on the images that both scored.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[2, n]`, in [0, 1].
        thresholds: of A and B; an image is positive when its score >= threshold. Without one,
            figures of answers are undefined.
        confidence: of every interval, in (0, 1).
        clusters: `[n]`, a whole number from 0 on for each cluster of images that are not
            independent; None if all are.
    """
    a, b = answers(scores[0], thresholds[0]), answers(scores[1], thresholds[1])
    aucs, test = _aucs(labels, scores, confidence, clusters)
    return Comparison(
        confidence=confidence,
        aucs=aucs,
        auc_test=test,
        malignant=_mcnemar(labels == 1, (a, b), "malignant", confidence, clusters),
        benign=_mcnemar(labels == 0, (a, b), "benign", confidence, clusters),
        positive=(a, b),
        changed=np.flatnonzero(() if a is None or b is None else a != b),
    )


def answers(scores: Float64Array, threshold: float | None) -> BoolArray | None:
    """Which images are positive, `[n]`; None without a threshold."""
    return None if threshold is None else scores >= threshold


def variances_of(labels: LabelArray, scores: Float64Array, clusters: Int64Array | None) -> DeLong:
    """The AUCs of `[k, n]` scores, with DeLong's covariance or that of clusters (Obuchowski)."""
    if clusters is None:
        return delong(labels, scores)
    return obuchowski(labels, scores, clusters)


def auc_estimates(
    found: DeLong, labels: LabelArray, confidence: float, *, clustered: bool = False
) -> list[Estimate]:
    """Each AUC of these images with its interval."""
    malignant = int(np.count_nonzero(labels == 1))
    classes = malignant, len(labels) - malignant
    variances = np.diag(found.covariance)
    pairs = zip(map(float, found.aucs), map(float, variances), strict=True)
    if clustered:
        return [clustered_auc(auc, variance, confidence) for auc, variance in pairs]
    return [of_delong(auc, variance, classes, confidence) for auc, variance in pairs]


def share_right(
    truth: BoolArray,
    positive: BoolArray | None,
    name: str,
    side: str,
    confidence: float,
    clusters: Int64Array | None = None,
) -> Proportion:
    """The sensitivity (or specificity) among the images of one true class.

    Args:
        truth: `[n]`, which images are of the class.
        positive: `[n]`, the answers of the run; None without a threshold.
        name: of the class, "malignant" or "benign".
        side: the run, for the reason.
        confidence: of the interval, in (0, 1).
        clusters: `[n]`, or None if images are independent.
    """
    if positive is None:
        return Proportion(None, no_threshold(side))
    right = (positive if name == "malignant" else ~positive)[truth]
    if clusters is not None:
        return clustered_proportion(right, clusters[truth], no_images(name), confidence)
    return proportion(int(np.count_nonzero(right)), len(right), no_images(name), confidence)


def no_threshold(*sides: str) -> str:
    """Why figures of answers are undefined."""
    return f"{' and '.join(sides)} {'has' if len(sides) == 1 else 'have'} no threshold"


def no_images(name: str) -> str:
    """Why figures of one true class are undefined."""
    return f"no {name} images"


def _aucs(
    labels: LabelArray, scores: Float64Array, confidence: float, clusters: Int64Array | None
) -> tuple[tuple[Estimate, Estimate], AucTest | None]:
    reason = why_undefined(labels, "no labelled images")
    if reason is not None:
        return (Estimate(None, reason), Estimate(None, reason)), None
    two = variances_of(labels, scores, clusters)
    first, second = auc_estimates(two, labels, confidence, clustered=clusters is not None)
    return (first, second), paired_test(two, confidence)


def _mcnemar(
    truth: BoolArray,
    positive: Answers,
    name: str,
    confidence: float,
    clusters: Int64Array | None,
) -> McNemar:
    """The exact test (McNemar 1947, by the binomial distribution) among the images of one class.

    Images of clusters are no binomial draws: their test is that of their difference by clusters.
    """
    first, second = (
        share_right(truth, one, name, side, confidence, clusters)
        for one, side in zip(positive, "AB", strict=True)
    )
    a, b = positive
    if a is None or b is None:
        without = [side for side, one in zip("AB", positive, strict=True) if one is None]
        reason = no_threshold(*without)
        return McNemar((first, second), Estimate(None, reason), None, None, None, reason)
    a, b = a[truth], b[truth]
    only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    if not len(a):
        reason = no_images(name)
        return McNemar((first, second), Estimate(None, reason), 0, 0, None, reason)
    if name == "benign":  # there the run that is positive is wrong
        a, b = ~a, ~b
    if clusters is not None:
        found, p = clustered_difference(a, b, clusters[truth], confidence)
        return McNemar((first, second), found, only_a, only_b, p, found.reason)
    right = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
    difference = paired_difference(*right, len(a), confidence)
    return McNemar((first, second), difference, only_a, only_b, _exact(only_a, only_b))


def _exact(only_a: int, only_b: int) -> float:
    # Concordant pairs do not count.
    return float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue) if only_a + only_b else 1.0
