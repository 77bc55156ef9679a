"""Proportions of images that come in clusters: the ratio estimator and a Wilson interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from base.arrays import BoolArray
from report.metrics.estimate import Proportion
from report.metrics.proportions import proportion

ONE_CLUSTER = "all images are of one cluster"
ALL_ALIKE = "every cluster has the same share"
# Relative size that rounding leaves of a variance whose true value is zero.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Spread:
    """How much a proportion varies from cluster to cluster.

    `standard_error` is the ratio estimator's, and `design_effect` its variance divided by that of
    as many independent images. Both are None if they are undefined.
    """

    clusters: int
    standard_error: float | None = None
    design_effect: float | None = None

    def effect(self, images: int) -> float | None:
        """The design effect of an interval; None if there can be no interval.

        Where all images are hits, or none, each cluster counts as one image, as if its images were
        all alike.
        """
        if self.clusters < 2:
            return None
        if self.design_effect is None:
            return images / self.clusters
        return self.design_effect if self.design_effect > ROUNDING else None


def spread(hits: BoolArray, clusters: npt.NDArray[np.integer]) -> Spread:
    """The spread of the share of `hits` `[n]`, by the `clusters` `[n]` of the same images.

    (Rao & Scott 1992, Biometrics 48: 577).
    """
    images = np.bincount(clusters)
    total, count = len(hits), int(np.count_nonzero(hits))
    of = int(np.count_nonzero(images))
    if of < 2 or count in (0, total):
        return Spread(of)
    share = count / total
    variance = ratio_variance(np.bincount(clusters, weights=hits), images)
    return Spread(of, math.sqrt(variance), variance / (share * (1 - share) / total))


def ratio_variance(sums: npt.NDArray[Any], images: npt.NDArray[np.integer]) -> float:
    """The variance of the ratio estimator sum(sums) / sum(images), of at least two clusters.

    I / (I - 1) x sum((y - r n)^2) / N^2 over I clusters of n images whose values sum to y.

    Args:
        sums: y by cluster, `[c]`.
        images: n by cluster, `[c]`; a cluster without images does not count.
    """
    total, of = int(images.sum()), int(np.count_nonzero(images))
    residuals = sums - float(sums.sum()) / total * images
    return of / (of - 1) * math.fsum(residuals**2) / total**2


def clustered_proportion(
    hits: BoolArray,
    clusters: npt.NDArray[np.integer],
    reason: str,
    confidence: float = 0.95,
) -> Proportion:
    """The share of `hits`, with Wilson's interval for n / design effect (Rao & Scott 1992).

    Args:
        hits: `[n]`, of the images of a class, or of all images.
        clusters: `[n]`, a whole number from 0 on for each cluster.
        reason: why the share is undefined if `n` is 0.
        confidence: in (0, 1).
    """
    total, count = len(hits), int(np.count_nonzero(hits))
    if total == 0:
        return Proportion(None, reason)
    found = spread(hits, clusters)
    effect = found.effect(total)
    if effect is None:
        reason = ALL_ALIKE if found.clusters > 1 else ONE_CLUSTER
        return Proportion(count / total, reason, count=count, total=total)
    return proportion(count, total, reason, confidence, design_effect=effect)
