"""Comparisons of runs whose images come in clusters, against known answers and by hand."""

import csv
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from report.clustering.proportions import ALL_ALIKE, ONE_CLUSTER
from report.comparing.by_cluster import clustered_difference
from report.comparing.several_runs import compare_several
from report.comparing.two_runs import compare

Z = NormalDist().inv_cdf(0.975)


def test_a_clustered_difference_by_hand() -> None:
    """Three clusters whose differences sum to 2, -1 and 0 among 3, 1 and 2 images."""
    first = np.array([1, 1, 1, 0, 1, 0], bool)
    second = np.array([0, 0, 1, 1, 1, 0], bool)
    clusters = np.array([4, 4, 4, 0, 7, 7])
    found, p = clustered_difference(first, second, clusters)
    assert found.value == pytest.approx(1 / 6)
    squares = (2 - 3 / 6) ** 2 + (-1 - 1 / 6) ** 2 + (0 - 2 / 6) ** 2
    error = math.sqrt(3 / 2 * squares) / 6
    assert (found.low, found.high) == pytest.approx((1 / 6 - Z * error, 1 / 6 + Z * error))
    assert p == pytest.approx(2 * (1 - NormalDist().cdf(1 / 6 / error)))


def test_clusters_of_one_image_are_walds_paired_interval() -> None:
    random = np.random.default_rng(1)
    first, second = random.random((2, 60)) < 0.6
    found, _ = clustered_difference(first, second, np.arange(60))
    only_a, only_b = (first & ~second).sum(), (second & ~first).sum()
    variance = (only_a + only_b - (only_a - only_b) ** 2 / 60) / 60 / 59
    assert found.value == pytest.approx((only_a - only_b) / 60)
    assert found.high == pytest.approx((only_a - only_b) / 60 + Z * math.sqrt(variance))


def test_a_clustered_difference_without_a_variance_says_why() -> None:
    right = np.array([True, False, True])
    alone, p = clustered_difference(right, ~right, np.zeros(3, int))
    assert (alone.value, alone.low, alone.reason, p) == (1 / 3, None, ONE_CLUSTER, None)
    same, p = clustered_difference(right, right, np.arange(3))
    assert (same.value, same.low, same.reason, p) == (0, None, ALL_ALIKE, None)


def test_the_clustered_interval_holds_as_often_as_it_says() -> None:
    """Of 200 clusters of 3 images, answers correlated at about 0.5 within each."""
    random = np.random.default_rng(8)
    clusters = np.repeat(np.arange(200), 3)
    covered = 0
    for _ in range(1000):
        shared = random.normal(size=(2, 200)).repeat(3, axis=1)
        first, second = shared + random.normal(size=(2, 600)) > np.array([[-1.2], [-0.8]])
        found, _ = clustered_difference(first, second, clusters)
        assert found.low is not None
        assert found.high is not None
        true = NormalDist().cdf(1.2 / math.sqrt(2)) - NormalDist().cdf(0.8 / math.sqrt(2))
        covered += found.low <= true <= found.high
    assert 0.93 <= covered / 1000 <= 0.965


def test_isic_2019_by_lesion(shared: Path) -> None:
    """The known answers of one run hold on both sides; of one run twice, none differs."""
    with (shared / "data" / "isic2019_scores" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = np.array([int(row["target"]) for row in rows])
    scores = np.array([float(row["score"]) for row in rows])
    names = [row["lesion_id"] or f"alone {at}" for at, row in enumerate(rows)]
    _, clusters = np.unique(names, return_inverse=True)
    both = np.stack([scores, scores])
    found = compare(labels, both, (0.5, 0.3), 0.95, clusters)
    assert found.aucs[0] == found.aucs[1]
    assert (found.aucs[0].low, found.aucs[0].high) == pytest.approx((0.878450, 0.897658), abs=1e-6)
    ends = [(one.low, one.high) for one in (*found.malignant.right, *found.benign.right)]
    known = [(0.653603, 0.704905), (0.965267, 0.978762), (0.879510, 0.893865), (0.434733, 0.454176)]
    assert np.array(ends) == pytest.approx(np.array(known), abs=1e-6)
    assert found.malignant.difference.value == pytest.approx(0.6797972817 - 0.9728173232)
    assert found.auc_test is not None
    assert found.auc_test.p is None
    several = compare_several("abc", labels, np.stack([scores] * 3), (0.5,) * 3, 0.95, clusters)
    assert several.aucs[0] == found.aucs[0]
    assert several.sensitivities[2] == found.malignant.right[0]
