"""Differences between runs, against published examples and second implementations."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar  # type: ignore[import-untyped] # it ships no types
from scipy.stats import t as student  # type: ignore[import-untyped] # it ships no types
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from base.arrays import Float64Array, LabelArray
from report.comparing.holm import holm
from report.comparing.margin import non_inferiority
from report.comparing.paired_difference import paired_difference
from report.comparing.several_runs import PairTest, compare_several, ranks
from report.comparing.two_runs import compare
from report.comparing.unpaired import compare_unpaired, unpaired_difference
from report.metrics.delong import AucTest, Interval
from report.metrics.estimate import Estimate
from report.metrics.proportions import proportion

Z = NormalDist().inv_cdf(0.975)


def ends(first: int, second: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    found = paired_difference(first, second, total, confidence)
    assert found.value == (first - second) / total
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def score_statistic(first: int, second: int, total: int, difference: float) -> float:
    """By maximising the multinomial likelihood under the difference, without its closed form."""

    rest = total - first - second

    def likelihood(q: float) -> float:
        cells = ((first, q + difference), (second, q), (rest, 1 - 2 * q - difference))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in cells if count)

    bounds = max(0.0, -difference), (1 - difference) / 2
    found = minimize_scalar(likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    q = found.x
    variance = total * (2 * q + difference - difference**2)
    return (first - second - total * difference) / math.sqrt(variance)


def test_the_published_example_of_a_paired_difference() -> None:
    """Airway hyper-responsiveness of 21 children (Fagerland, Lydersen & Laake 2014, Tango's)."""
    assert ends(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize(("first", "second", "total"), [(1, 7, 21), (40, 20, 160), (3, 0, 30)])
def test_a_paired_difference_inverts_the_score_test(first: int, second: int, total: int) -> None:
    low, high = ends(first, second, total)
    for end, z, edge in ((low, Z, -0.999), (high, -Z, 0.999)):
        root = brentq(
            lambda at, z=z: score_statistic(first, second, total, at) - z,
            (first - second) / total,
            edge,
        )
        assert end == pytest.approx(root, abs=1e-6)


def test_paired_differences_at_the_edges() -> None:
    # No discordant pair: z² / (n + z²); all of one kind: (n - z²) / (n + z²) and 1.
    width = Z**2 / (100 + Z**2)
    assert ends(0, 0, 100) == pytest.approx((-width, width))
    assert ends(5, 0, 5) == pytest.approx(((5 - Z**2) / (5 + Z**2), 1))
    assert ends(0, 1, 1)[0] == -1


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.floats(0.5, 0.999))
@settings(deadline=None)
def test_a_paired_difference_lies_within_its_interval(
    first: int, second: int, rest: int, confidence: float
) -> None:
    total = first + second + rest or 1
    low, high = ends(first, second, total, confidence)
    assert -1 <= low <= (first - second) / total <= high <= 1
    assert ends(second, first, total, confidence) == (-high, -low)
    # The interval excludes 0 just where McNemar's score test rejects.
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rejected = (first - second) ** 2 > z**2 * (first + second)
    distance = abs((first - second) ** 2 - z**2 * (first + second))
    assert distance < 1e-6 or (not low <= 0 <= high) == rejected


def test_non_inferiority_is_decided_by_the_lower_bound() -> None:
    difference = Estimate(0.01, low=-0.04, high=0.06)
    assert non_inferiority(difference, 0.05).shown is True
    assert non_inferiority(difference, 0.03).shown is False
    assert non_inferiority(difference, 0.04).shown is False  # the bound itself does not do
    assert non_inferiority(Estimate(0.0, "why"), 0.05) == (None, None, "why")


def test_the_interval_holds_as_often_as_it_says() -> None:
    """Exact coverage over the multinomial of 40 pairs with discordant shares 0.1 and 0.2."""
    n, first, second = 40, 0.1, 0.2
    logs = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    covered = 0.0
    for a in range(18):
        for b in range(25):
            if a + b <= n:
                weight = logs[n] - logs[a] - logs[b] - logs[n - a - b]
                weight += a * math.log(first) + b * math.log(second)
                weight += (n - a - b) * math.log(1 - first - second)
                low, high = ends(a, b, n)
                covered += math.exp(weight) * (low <= first - second <= high)
    assert 0.94 < covered < 0.97


@pytest.mark.parametrize(
    ("first", "second", "published"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombes_examples_of_an_unpaired_difference(
    first: tuple[int, int], second: tuple[int, int], published: tuple[float, float]
) -> None:
    """Newcombe 1998, Statistics in Medicine 17:873-890, table II, method 10."""
    a, b = (proportion(*counts, "") for counts in (first, second))
    found = unpaired_difference(a, b)
    assert (found.low, found.high) == pytest.approx(published, abs=5e-5)
    again = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(again, abs=1e-9)


def test_the_unpaired_test_is_welchs_on_the_structural_components() -> None:
    """DeLong's variances from all pairs, by the formulas of pROC's documentation."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 40), random.integers(0, 2, 70)
    scores = random.random(40) + 0.4 * labels[0], random.random(70).round(1) + 0.4 * labels[1]
    found = compare_unpaired(labels, scores, (None, None), 0.9)
    both = [all_pairs(*side) for side in zip(labels, scores, strict=True)]
    aucs, variances = zip(*both, strict=True)
    error = math.sqrt(sum(variances))
    df = error**4 / (variances[0] ** 2 / 39 + variances[1] ** 2 / 69)
    test = found.auc_test
    assert test is not None
    assert test.df == pytest.approx(df)
    assert test.z == pytest.approx((aucs[0] - aucs[1]) / error)
    assert test.p == pytest.approx(2 * student.sf(abs(aucs[0] - aucs[1]) / error, df))
    half = student.ppf(0.95, df) * error
    assert test.interval.low == pytest.approx(aucs[0] - aucs[1] - half)
    assert test.interval.high == pytest.approx(aucs[0] - aucs[1] + half)


def test_an_unpaired_test_without_a_variance_says_why() -> None:
    split = np.array([1, 1, 0, 0]), np.array([0.9, 0.8, 0.2, 0.1])
    one_only = np.array([1, 0, 0]), np.array([0.5, 0.2, 0.6])
    for other, reason in ((split, "variance of the difference is 0"), (one_only, "one image")):
        labels, scores = (split[0], other[0]), (split[1], other[1])
        test = compare_unpaired(labels, scores, (0.5, 0.5)).auc_test
        assert test is not None
        assert (test.p, test.interval.low) == (None, None)
        assert reason in (test.reason or "")


def all_pairs(labels: LabelArray, scores: Float64Array) -> tuple[float, float]:
    malignant, benign = scores[labels == 1], scores[labels == 0]
    wins = (malignant[:, None] > benign) + 0.5 * (malignant[:, None] == benign)
    parts = [wins.mean(axis=1), wins.mean(axis=0)]
    return float(wins.mean()), float(sum(one.var(ddof=1) / len(one) for one in parts))


@pytest.mark.parametrize(
    "p",
    [[0.04], [0.01, 0.02, 0.03, 0.005], [0.5, 0.04, 0.04, 1.0, 0.0], [0.9, 0.3, 0.011, 0.012, 0.9]],
)
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([]) == []


def pair_test(first: int, second: int, difference: float, p: float | None) -> PairTest:
    test = AucTest(difference, Interval(None, None), None, p)
    return PairTest(first, second, test, p)


def test_ranks_counted_by_hand() -> None:
    """1 beats 0 and 2, and nothing else is significant; 3 has no test against 2."""
    found = ranks(
        4,
        [
            pair_test(0, 1, -0.2, 0.01),
            pair_test(0, 2, 0.1, 0.05),  # not below 0.05
            pair_test(0, 3, 0.1, 0.3),
            pair_test(1, 2, 0.3, 0.001),
            pair_test(1, 3, 0.1, 0.2),
            pair_test(2, 3, 0.0, None),
        ],
        0.05,
    )
    assert found == ((2, 4), (1, 2), (2, 4), (1, 4))


def test_several_runs_are_every_two_of_them() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 200)
    scores = random.random((4, 200)) * 0.5 + np.outer([0.1, 0.2, 0.3, 0.1], labels)
    scores[3] = scores[0]  # no test between these
    found = compare_several("abcd", labels, scores, (0.5, None, 0.4, 0.5), 0.9)
    tested = []
    for pair in found.pairs:
        two = compare(labels, scores[[pair.first, pair.second]], (0.5, 0.5), 0.9).auc_test
        assert two is not None
        assert pair.test.difference == two.difference
        assert pair.test.p == pytest.approx(two.p)
        assert pair.test.reason == two.reason
        tested.append(two.p)
    assert [(pair.first, pair.second) for pair in found.pairs if pair.holm is None] == [(0, 3)]
    corrected = multipletests([p for p in tested if p is not None], method="holm")[1]
    assert [pair.holm for pair in found.pairs if pair.holm is not None] == pytest.approx(corrected)
    assert found.sensitivities[1].reason == "b has no threshold"
    assert found.sensitivities[2].count == ((scores[2] >= 0.4) & (labels == 1)).sum()
    assert found.ranks[0] == found.ranks[3]


def test_simultaneous_ranks_hold_as_often_as_they_say() -> None:
    """Of five models, two pairs equally good: all ranks hold in at least 95 % of 300 samples."""
    random = np.random.default_rng(11)
    shift = np.array([0.8, 0.8, 1.2, 1.6, 1.6])
    held = 0
    for _ in range(300):
        labels = np.repeat([1, 0], [40, 60])
        shared = random.normal(size=100)
        scores = shared + random.normal(size=(5, 100)) + np.outer(shift, labels)
        found = compare_several("abcde", labels, scores, (None,) * 5)
        # A model with an equal one may have either rank.
        true = ((4, 5), (4, 5), (3, 3), (1, 2), (1, 2))
        held += all(
            rank.best <= first and last <= rank.worst
            for rank, (first, last) in zip(found.ranks, true, strict=True)
        )
    assert held >= 0.94 * 300
