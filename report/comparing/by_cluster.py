"""The difference of two proportions on the same images, where images come in clusters. Pure."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import BoolArray
from report.clustering.proportions import ALL_ALIKE, ONE_CLUSTER, ROUNDING, ratio_variance
from report.metrics.estimate import Estimate


class ClusterTest(NamedTuple):
    """The first proportion minus the second, and p; where p is None, the difference says why."""

    difference: Estimate
    p: float | None


def clustered_difference(
    first: BoolArray,
    second: BoolArray,
    clusters: npt.NDArray[np.integer],
    confidence: float = 0.95,
) -> ClusterTest:
    """The difference of two shares of the same images, with Wald's interval and test by clusters.

    The difference of an image is 1, 0 or -1, and their mean is a ratio estimator over clusters
    (Obuchowski 1998, Statistics in Medicine 17:1495-1507; as for one proportion, Rao & Scott 1992,
    Biometrics 48:577).

    Args:
        first: `[n]`, which images are right in the first run; at least one image.
        second: `[n]`, which are right in the second.
        clusters: `[n]`, a whole number from 0 on for each cluster.
        confidence: of the interval, in (0, 1).
    """
    images = np.bincount(clusters)
    sums = np.bincount(clusters, weights=first) - np.bincount(clusters, weights=second)
    difference = float(sums.sum()) / len(first)
    if np.count_nonzero(images) < 2:
        return ClusterTest(Estimate(difference, ONE_CLUSTER), None)
    variance = ratio_variance(sums, images)
    if variance * len(first) <= ROUNDING:
        return ClusterTest(Estimate(difference, ALL_ALIKE), None)
    error = math.sqrt(variance)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    p = math.erfc(abs(difference) / error / math.sqrt(2))
    return ClusterTest(Estimate(difference, low=low, high=high), p)
