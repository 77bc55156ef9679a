"""ROC AUC and its variance where images come in clusters (Obuchowski 1997, Biometrics 53: 567).

Where each image is a cluster of its own, this is DeLong's estimator.
"""

import math

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, LabelArray
from report.metrics.delong import DeLong, auc_interval, placements
from report.metrics.estimate import Estimate


def obuchowski(
    labels: LabelArray, scores: npt.ArrayLike, clusters: npt.NDArray[np.integer]
) -> DeLong:
    """AUCs of `k` models on the same images, and their covariance by clusters; O(n log n).

    The covariance is NaN if all images of a class are of one cluster.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; both classes must be present.
        scores: `[k, n]`, finite; a higher score means more likely malignant.
        clusters: `[n]`, a whole number from 0 on for each cluster; not every number need occur.

    Raises:
        ValueError: the shapes do not match, a score is not finite, a label is neither 0 nor 1, or
            a class is missing.
    """
    if clusters.shape != labels.shape:
        raise ValueError(f"clusters {clusters.shape} and labels {labels.shape} differ in shape")
    below, above = placements(labels, scores)
    m, n = below.shape[1], above.shape[1]
    aucs: Float64Array = below.mean(axis=1) / (2 * n)
    size = int(clusters.max()) + 1
    first, in_first = _sums(below / (2 * n), clusters[labels == 1], size, aucs)
    second, in_second = _sums(above / (2 * m), clusters[labels == 0], size, aucs)
    cross = first @ second.T
    either = int(np.count_nonzero(in_first | in_second))
    covariance = (
        _correction(int(in_first.sum())) * (first @ first.T) / (m * m)
        + _correction(int(in_second.sum())) * (second @ second.T) / (n * n)
        + _correction(either) * (cross + cross.T) / (m * n)
    )
    return DeLong(aucs, covariance)


def auc_estimate(auc: float, variance: float, confidence: float = 0.95) -> Estimate:
    """An AUC with the normal interval of its variance, NaN if a class has a single cluster."""
    if math.isnan(variance):
        return Estimate(auc, "a class of one cluster leaves the variance undefined")
    low, high, reason = auc_interval(auc, variance, confidence)
    return Estimate(auc, reason, low, high)


def _sums(
    components: Float64Array, clusters: npt.NDArray[np.integer], size: int, aucs: Float64Array
) -> tuple[Float64Array, npt.NDArray[np.bool_]]:
    """Sums of component minus AUC by cluster, `[k, size]`, and which clusters have an image."""
    images = np.bincount(clusters, minlength=size)
    totals = [np.bincount(clusters, weights=each, minlength=size) for each in components]
    return np.array(totals) - aucs[:, None] * images, images > 0


def _correction(clusters: int) -> float:
    """I / (I - 1), NaN for a single cluster."""
    return clusters / (clusters - 1) if clusters > 1 else float("nan")
