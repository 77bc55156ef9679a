"""How often intervals for clustered images hold what is true; a table for docs/clusters.md.

Simulated studies of 200 clusters of 3 images. A quarter of the clusters are malignant, or, in the
second part, each image is malignant or benign for itself. Fewer studies: `bench_clusters.py 100`.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Protocol

import numpy as np

from base.arrays import Float64Array, Int64Array, LabelArray
from report.clustering.bootstrap import FIGURES, draw, patterns, percentile
from report.clustering.obuchowski import obuchowski
from report.clustering.proportions import clustered_proportion
from report.metrics.delong import auc_interval, delong
from report.metrics.proportions import proportion

STUDIES = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
CLUSTERS, IMAGES, CORRELATION, MALIGNANT, SHIFT = 200, 3, 0.5, 0.25, 1.5
THRESHOLD = 0.5
NORMAL = NormalDist()
Ends = tuple[float, float]


class HasEnds(Protocol):
    """Any interval."""

    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def study(
    random: np.random.Generator, *, mixed: bool
) -> tuple[LabelArray, Float64Array, Int64Array]:
    """Labels, scores and clusters; scores of a cluster share a part of their deviation."""
    clusters = np.repeat(np.arange(CLUSTERS), IMAGES)
    each = len(clusters) if mixed else CLUSTERS
    labels = (random.random(each) < MALIGNANT).astype(np.int8)
    labels = labels if mixed else labels[clusters]
    common = random.normal(size=CLUSTERS)[clusters] * math.sqrt(CORRELATION)
    own = random.normal(size=len(clusters)) * math.sqrt(1 - CORRELATION)
    return labels, SHIFT * labels + common + own, clusters


def truth() -> dict[str, float]:
    """What an endless study would find."""
    sensitivity = NORMAL.cdf(SHIFT - THRESHOLD)
    specificity = NORMAL.cdf(THRESHOLD)
    found = sensitivity * MALIGNANT
    return {
        "ROC AUC": NORMAL.cdf(SHIFT / math.sqrt(2)),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "PPV": found / (found + (1 - specificity) * (1 - MALIGNANT)),
        "LR+": sensitivity / (1 - specificity),
    }


def intervals(
    labels: LabelArray, scores: Float64Array, clusters: Int64Array
) -> Mapping[str, Sequence[Ends]]:
    """By clusters, and as if images were independent."""
    malignant, positive = labels == 1, scores >= THRESHOLD
    by = obuchowski(labels, scores[None], clusters)
    alone = delong(labels, scores[None])
    found: dict[str, Sequence[Ends]] = {
        "ROC AUC": tuple(
            _ends(auc_interval(float(one.aucs[0]), float(one.covariance[0, 0])))
            for one in (by, alone)
        )
    }
    for name, of, hits in (
        ("sensitivity", malignant, positive),
        ("specificity", ~malignant, ~positive),
    ):
        clustered = clustered_proportion(hits[of], clusters[of], "")
        plain = proportion(int(hits[of].sum()), int(of.sum()), "")
        found[name] = _ends(clustered), _ends(plain)
    drawn = draw(patterns(labels, positive, clusters))
    images = draw(patterns(labels, positive))
    for name, key in (("PPV", "ppv"), ("LR+", "lr_positive")):
        found[name] = tuple(_ends(percentile(FIGURES[key], one)) for one in (drawn, images))
    return found


def _ends(interval: HasEnds) -> Ends:
    return (
        -math.inf if interval.low is None else interval.low,
        math.inf if interval.high is None else interval.high,
    )


def main() -> None:
    """Print a table in Markdown."""
    print(
        "| clusters | figure | by clusters | as if images were independent |\n|---|---|---:|---:|"
    )
    true = truth()
    for mixed in (False, True):
        random = np.random.default_rng(16)
        held = {name: [0, 0] for name in true}
        for _ in range(STUDIES):
            for name, both in intervals(*study(random, mixed=mixed)).items():
                for at, (low, high) in enumerate(both):
                    held[name][at] += low <= true[name] <= high
        what = "of both labels" if mixed else "of one label"
        for name, counts in held.items():
            print(f"| {what} | {name} | {counts[0] / STUDIES:.3f} | {counts[1] / STUDIES:.3f} |")


if __name__ == "__main__":
    main()
