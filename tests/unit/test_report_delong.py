import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isic2017 import submitted
from sklearn.metrics import roc_auc_score

from base.arrays import Float64Array, LabelArray
from report.metrics.delong import DeLong, auc_interval, delong, paired_test

# Few distinct scores, so that ties are the rule.
VALUES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
IMAGES = st.lists(st.tuples(st.integers(0, 1), VALUES, VALUES), min_size=2, max_size=40).filter(
    lambda images: {label for label, _, _ in images} == {0, 1}
)


def by_all_pairs(labels: LabelArray, scores: Float64Array) -> DeLong:
    """DeLong, DeLong and Clarke-Pearson 1988, equations 2 to 7, pair by pair."""
    kernels = []
    for column in scores:
        above = np.subtract.outer(column[labels == 1], column[labels == 0])
        kernels.append(np.where(above > 0, 1.0, np.where(above == 0, 0.5, 0.0)))
    k, (m, n) = len(kernels), kernels[0].shape
    aucs = np.array([kernel.mean() for kernel in kernels])
    covariance = np.full((k, k), np.nan)
    if m > 1 and n > 1:
        for r in range(k):
            for s in range(k):
                v10 = (kernels[r].mean(1) - aucs[r]) * (kernels[s].mean(1) - aucs[s])
                v01 = (kernels[r].mean(0) - aucs[r]) * (kernels[s].mean(0) - aucs[s])
                covariance[r, s] = v10.sum() / (m - 1) / m + v01.sum() / (n - 1) / n
    return DeLong(aucs, covariance)


def of(images: list[tuple[int, float]]) -> tuple[float, float]:
    """AUC and variance of one model."""
    labels = np.array([label for label, _ in images], np.int8)
    aucs, covariance = delong(labels, [[score for _, score in images]])
    return float(aucs[0]), float(covariance[0, 0])


@given(IMAGES)
def test_it_agrees_with_all_pairs(images: list[tuple[int, float, float]]) -> None:
    columns = np.array(images).T
    labels = columns[0].astype(np.int8)
    ours, pairs = delong(labels, columns[1:]), by_all_pairs(labels, columns[1:])
    assert ours.aucs == pytest.approx(pairs.aucs, rel=1e-13)
    assert ours.aucs[0] == pytest.approx(roc_auc_score(labels, columns[1]))
    np.testing.assert_allclose(ours.covariance, pairs.covariance, rtol=1e-10, atol=1e-15)


def test_five_hundred_images_with_ties_agree_with_all_pairs() -> None:
    draw = np.random.default_rng(0)
    labels = (draw.random(500) < 0.2).astype(np.int8)
    scores = np.round(draw.random((3, 500)) * 0.7 + np.where(labels == 1, 0.3, 0), 2)
    ours, pairs = delong(labels, scores), by_all_pairs(labels, scores)
    np.testing.assert_allclose(ours.aucs, pairs.aucs, rtol=1e-13)
    np.testing.assert_allclose(ours.covariance, pairs.covariance, rtol=1e-11)


def test_three_pairs_by_hand() -> None:
    # 0.8 is above all three benign, 0.4 above one of them: AUC 4/6, components 1 and 1/3.
    auc, variance = of([(1, 0.8), (1, 0.4), (0, 0.1), (0, 0.5), (0, 0.6)])
    assert auc == pytest.approx(4 / 6)
    assert variance == pytest.approx((2 / 9) / 2 + (1 / 12) / 3)


def test_one_malignant_image_has_an_auc_without_interval() -> None:
    auc, variance = of([(1, 0.5), (0, 0.1), (0, 0.9), (0, 0.5)])
    assert auc == 0.5
    assert math.isnan(variance)
    low, high, reason = auc_interval(auc, variance)
    assert (low, high) == (None, None)
    assert reason == "a class with one image leaves the variance undefined"


@pytest.mark.parametrize(("malignant", "benign", "auc"), [(0.7, 0.3, 1.0), (0.3, 0.7, 0.0)])
def test_perfect_separation_is_no_certainty(malignant: float, benign: float, auc: float) -> None:
    images = [(1, malignant + at / 100) for at in range(7)]
    images += [(0, benign + at / 100) for at in range(3)]
    assert of(images) == (auc, 0.0)
    assert auc_interval(*of(images)) == (
        None,
        None,
        "perfect separation: the estimated variance is 0",
    )


def test_equal_scores_have_no_interval() -> None:
    assert of([(1, 0.3)] * 7 + [(0, 0.3)] * 3) == (0.5, 0.0)
    assert auc_interval(0.5, 0.0).reason == "all scores are equal: the estimated variance is 0"


def test_the_interval_is_the_normal_one_and_ends_at_1() -> None:
    low, high, reason = auc_interval(0.8, 0.01, 0.9)
    assert (low, high) == pytest.approx((0.8 - 0.1644854, 0.8 + 0.1644854))
    assert reason is None
    assert auc_interval(0.95, 0.01).high == 1.0
    assert auc_interval(0.05, 0.01).low == 0.0


def test_the_same_scores_do_not_differ() -> None:
    draw = np.random.default_rng(1)
    labels, scores = np.array([0, 1] * 200, np.int8), draw.random(400)
    # Another scale ranks the images alike.
    test = paired_test(delong(labels, [scores, scores / 2]))
    assert (test.difference, test.z, test.p) == (0.0, None, None)
    assert test.reason == "the estimated variance of the difference is 0"


def test_two_models_differ_by_z_and_p_of_their_definition() -> None:
    draw = np.random.default_rng(2)
    labels = np.array([0, 1] * 200, np.int8)
    good, poor = draw.random(400) + 0.5 * labels, draw.random(400) + 0.3 * labels
    two = by_all_pairs(labels, np.array([good, poor]))
    variance = two.covariance[0, 0] + two.covariance[1, 1] - 2 * two.covariance[0, 1]
    test = paired_test(delong(labels, [good, poor]))
    assert test.difference == pytest.approx(two.aucs[0] - two.aucs[1])
    assert test.z == pytest.approx(test.difference / math.sqrt(variance))
    assert test.p == pytest.approx(2 * NormalDist().cdf(-abs(test.z or 0)))
    assert test.interval.low == pytest.approx(test.difference - 1.959964 * math.sqrt(variance))
    turned = paired_test(delong(labels, [poor, good]))
    assert (turned.z, turned.p) == pytest.approx((-(test.z or 0), test.p))


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([0, 0], [[0.1, 0.2]], "both classes must be present"),
        ([1, 1], [[0.1, 0.2]], "both classes must be present"),
        ([0, -1], [[0.1, 0.2]], "0 and 1"),
        ([], [[]], "both classes must be present"),
        ([0, 1], [[0.1, math.nan]], "not finite"),
        ([0, 1], [0.1, 0.2], r"\[k, n\]"),
        ([0, 1, 1], [[0.1, 0.2]], r"\[k, n\]"),
    ],
)
def test_nonsense_is_refused(labels: list[int], scores: list[list[float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        delong(np.array(labels, np.int8), scores)


@pytest.mark.parametrize(
    ("team", "known"),
    [("recod_titans", [0.8735, 0.8355, 0.9115]), ("gonzalez_diaz", [0.8556, 0.8178, 0.8934])],
)
def test_two_teams_of_isic_2017(shared: Path, team: str, known: list[float]) -> None:
    labels, scores, _ = submitted(shared, team)
    aucs, covariance = delong(labels, [scores])
    low, high, _ = auc_interval(float(aucs[0]), float(covariance[0, 0]))
    assert [round(float(one or 0), 4) for one in (aucs[0], low, high)] == known


@pytest.mark.parametrize(("sex", "auc", "n"), [("male", 0.824, 294), ("female", 0.929, 279)])
def test_recod_titans_by_sex(shared: Path, sex: str, auc: float, n: int) -> None:
    labels, scores, sexes = submitted(shared, "recod_titans")
    chosen = np.array(sexes) == sex
    assert chosen.sum() == n
    assert round(float(delong(labels[chosen], [scores[chosen]]).aucs[0]), 3) == auc
