"""Each subgroup's gap to the rest, by real scores, by hand and by second implementations."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from isic2017 import submitted
from scipy.special import stdtr  # type: ignore[import-untyped]
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from report.comparing.gaps import with_gaps
from report.comparing.holm import holm
from report.metrics.subgroups import Gap, Groups, by_subgroup

FIGURES = ("sensitivity", "specificity", "roc_auc")


def groups_of(words: Sequence[str], labels: np.ndarray, scores: np.ndarray) -> Groups:
    values = tuple(dict.fromkeys(words))
    codes = np.array([values.index(word) for word in words])
    return Groups("site", tuple(value or None for value in values), codes, labels, scores)


def gaps_of(groups: Groups, threshold: float = 0.5) -> dict[str | None, Gap | None]:
    found = with_gaps(by_subgroup([groups], threshold), [groups], threshold)
    return {one.value: one.gap for one in found}


def drawn(sizes: dict[str, int], seed: int = 3) -> Groups:
    random = np.random.default_rng(seed)
    words = [word for word, size in sizes.items() for _ in range(size)]
    labels = random.integers(0, 2, len(words))
    lift = np.array([0.1 + 0.2 * list(sizes).index(word) for word in words])
    scores = np.clip(random.random(len(words)) * 0.6 + lift * labels, 0, 1).round(2)
    return groups_of(words, labels, scores)


def test_women_against_men_in_real_scores(shared: Path) -> None:
    """R's pROC: roc.test(women, men, paired = FALSE)."""
    labels, scores, sexes = submitted(shared, "recod_titans")
    gaps = gaps_of(groups_of(sexes, labels, scores))
    assert gaps[None] is None
    women, men = gaps["female"], gaps["male"]
    assert women is not None
    assert men is not None
    auc = women.roc_auc
    assert auc.value == pytest.approx(0.9293 - 0.8241, abs=1e-4)
    assert auc.p == pytest.approx(0.005273, abs=5e-7)
    # Men against women is the same test: there is nothing to adjust.
    assert auc.adjusted == auc.p == pytest.approx(men.roc_auc.p)
    assert (auc.low, auc.high) == pytest.approx((-(men.roc_auc.high or 0), -(men.roc_auc.low or 0)))
    assert (women.rest.malignant, women.rest.total) == (67, 294)


def test_each_figure_by_second_implementations() -> None:
    groups = drawn({"arm": 90, "back": 70, "face": 60})
    gaps = gaps_of(groups)
    for code, value in enumerate(groups.values):
        gap = gaps[value]
        assert gap is not None
        its = groups.codes == code
        for name, label in (("sensitivity", 1), ("specificity", 0)):
            right = ((groups.scores >= 0.5) == label)[groups.labels == label]
            mine, rest = (right[side[groups.labels == label]] for side in (its, ~its))
            counts = int(mine.sum()), len(mine), int(rest.sum()), len(rest)
            got = getattr(gap, name)
            assert got.value == pytest.approx(mine.mean() - rest.mean())
            newcombe = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
            assert (got.low, got.high) == pytest.approx(newcombe)
            assert got.p == pytest.approx(fisher(*counts))
        sides = [all_pairs(groups, side) for side in (its, ~its)]
        variance = sides[0][1] + sides[1][1]
        sizes = its.sum(), (~its).sum()
        parts = zip(sides, sizes, strict=True)
        df = variance**2 / sum(side[1] ** 2 / (size - 1) for side, size in parts)
        difference = sides[0][0] - sides[1][0]
        assert gap.roc_auc.value == pytest.approx(difference)
        expected = 2 * stdtr(df, -abs(difference) / math.sqrt(variance))
        assert gap.roc_auc.p == pytest.approx(expected)
    for name in FIGURES:
        figures = [getattr(gaps[value], name) for value in groups.values]
        corrected = multipletests([figure.p for figure in figures], method="holm")[1]
        assert [figure.adjusted for figure in figures] == pytest.approx(list(corrected))


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed: int) -> None:
    ps = np.random.default_rng(seed).random(12).round(1).tolist()
    assert holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))
    assert holm([0.01, None, 0.03]) == [0.02, None, 0.03]
    assert holm([]) == []


def test_a_small_subgroup_is_kept_back_but_belongs_to_the_rest_of_the_others() -> None:
    gaps = gaps_of(drawn({"arm": 60, "back": 60, "toe": 8, "": 40}))
    toe, arm = gaps["toe"], gaps["arm"]
    assert toe is not None
    assert arm is not None
    for name in FIGURES:
        figure = getattr(toe, name)
        assert (figure.value, figure.low, figure.p, figure.adjusted) == (None,) * 4
        assert figure.reason.startswith("under 10: ")
    assert arm.rest.total == 68
    assert arm.roc_auc.p is not None
    assert gaps[None] is None


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"arm": 60}, "no image has another known value"),
        ({"arm": 60, "": 40}, "no image has another known value"),
        ({"arm": 60, "toe": 4}, "the rest: under 10: "),
    ],
)
def test_without_a_rest_there_is_no_gap_and_a_reason(sizes: dict[str, int], reason: str) -> None:
    gap = gaps_of(drawn(sizes))["arm"]
    assert gap is not None
    assert gap.roc_auc.value is None
    assert (gap.roc_auc.reason or "").startswith(reason)


def test_a_gap_without_a_variance_has_no_p_and_says_why() -> None:
    labels = np.tile([0, 1], 40)
    groups = groups_of(["arm"] * 40 + ["back"] * 40, labels, labels * 0.8)
    gap = gaps_of(groups)["arm"]
    assert gap is not None
    assert (gap.roc_auc.value, gap.roc_auc.p, gap.roc_auc.low) == (0.0, None, None)
    assert "variance of the difference is 0" in (gap.roc_auc.reason or "")
    assert gap.sensitivity.p == pytest.approx(1.0)


def fisher(a: int, n: int, b: int, m: int) -> float:
    """The sum of the tables that are no more likely, each by its binomial coefficients."""
    ways = [math.comb(n, k) * math.comb(m, a + b - k) if k <= a + b else 0 for k in range(n + 1)]
    return sum(way for way in ways if way <= ways[a]) / math.comb(n + m, a + b)


def all_pairs(groups: Groups, side: np.ndarray) -> tuple[float, float]:
    scores = groups.scores[side]
    malignant, benign = (scores[groups.labels[side] == label] for label in (1, 0))
    wins = (malignant[:, None] > benign) + 0.5 * (malignant[:, None] == benign)
    parts = [wins.mean(axis=1), wins.mean(axis=0)]
    return float(wins.mean()), float(sum(one.var(ddof=1) / len(one) for one in parts))
