"""Compares more than two models on the same images: every pair, and the ranks. Pure."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array, Int64Array, LabelArray
from report.comparing.holm import holm
from report.comparing.two_runs import answers, auc_estimates, share_right, variances_of
from report.metrics.confusion import why_undefined
from report.metrics.delong import AucTest, DeLong, paired_test
from report.metrics.estimate import Estimate, Proportion


class PairTest(NamedTuple):
    """The AUC of run `first` minus that of run `second`; `holm` is p corrected for all pairs."""

    first: int
    second: int
    test: AucTest
    holm: float | None


class Ranks(NamedTuple):
    """From the best to the worst rank that a run may have; 1 is the highest AUC."""

    best: int
    worst: int


class SeveralRuns(NamedTuple):
    """All but `pairs` have an entry for each run; without AUCs `pairs` and `ranks` are empty."""

    confidence: float
    aucs: tuple[Estimate, ...]
    sensitivities: tuple[Proportion, ...]
    specificities: tuple[Proportion, ...]
    pairs: tuple[PairTest, ...]
    ranks: tuple[Ranks, ...]


def compare_several(
    names: Sequence[str],
    labels: LabelArray,
    scores: Float64Array,
    thresholds: Sequence[float | None],
    confidence: float = 0.95,
    clusters: Int64Array | None = None,
) -> SeveralRuns:
    """Compare `k` runs on the images that all of them scored.

    Args:
        names: of the runs, for reasons.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[k, n]`, in [0, 1].
        thresholds: of each run; without one, its figures of answers are undefined.
        confidence: of every interval, in (0, 1). A pair differs if its corrected p is below
            1 - confidence.
        clusters: `[n]`, a whole number from 0 on for each cluster of images that are not
            independent; None if all are.
    """
    positive = [answers(*one) for one in zip(scores, thresholds, strict=True)]
    sensitivities, specificities = (
        tuple(
            share_right(labels == label, one, of_class, name, confidence, clusters)
            for one, name in zip(positive, names, strict=True)
        )
        for label, of_class in ((1, "malignant"), (0, "benign"))
    )
    if (reason := why_undefined(labels, "no labelled images")) is not None:
        aucs = (Estimate(None, reason),) * len(names)
        return SeveralRuns(confidence, aucs, sensitivities, specificities, (), ())
    found = variances_of(labels, scores, clusters)
    pairs = _pairs(found, confidence)
    return SeveralRuns(
        confidence,
        tuple(auc_estimates(found, labels, confidence, clustered=clusters is not None)),
        sensitivities,
        specificities,
        pairs,
        ranks(len(names), pairs, 1 - confidence),
    )


def ranks(runs: int, pairs: Sequence[PairTest], alpha: float) -> tuple[Ranks, ...]:
    """The simultaneous intervals of the ranks that the corrected tests leave.

    The best rank of a run is 1 more than the number of runs that are significantly better, its
    worst is `runs` less the number that are significantly worse (Al Mohamad, Goeman & van Zwet
    2022, Biometrics 78; in steps as Holm's, Mogstad, Romano, Shaikh & Wilhelm 2024, Review of
    Economic Studies 91:476-518).
    """
    better, worse = [0] * runs, [0] * runs
    for pair in pairs:
        if pair.holm is not None and pair.holm < alpha:
            above, below = (
                (pair.first, pair.second) if pair.test.difference > 0 else (pair.second, pair.first)
            )
            better[below] += 1
            worse[above] += 1
    return tuple(Ranks(1 + b, runs - w) for b, w in zip(better, worse, strict=True))


def _pairs(found: DeLong, confidence: float) -> tuple[PairTest, ...]:
    indices = list(combinations(range(len(found.aucs)), 2))
    two = [(list(pair), np.ix_(pair, pair)) for pair in indices]
    tests = [
        paired_test(DeLong(found.aucs[both], found.covariance[block]), confidence)
        for both, block in two
    ]
    # A pair without a test cannot be significant, and so does not count.
    corrected = holm([test.p for test in tests])
    return tuple(
        PairTest(*pair, test, p) for pair, test, p in zip(indices, tests, corrected, strict=True)
    )
