"""The interval of the ROC AUC in small samples: known answers, coverage, and where it changes."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isic2017 import submitted

from base.arrays import Float64Array, LabelArray
from report.metrics.curves.area_interval import (
    DELONG,
    LOGIT,
    NEWCOMBE,
    area_interval,
    chosen_method,
    logit,
    newcombe,
    score_function,
)
from report.metrics.delong import auc_interval, delong
from report.metrics.estimate import RocAuc
from report.metrics.ranking import roc_auc


def area(labels: LabelArray, scores: Float64Array) -> RocAuc:
    found = roc_auc(labels, scores, "")
    assert isinstance(found, RocAuc)
    return found


def test_method_5_of_a_published_example() -> None:
    """Non-overlap of all pairs of R's SingleCaseES 0.7, whose roots are found to four digits."""
    before, after = [20, 20, 26, 25, 22, 23], [28, 25, 24, 27, 30, 30, 29]
    labels = np.repeat(np.array([0, 1], np.int8), (6, 7))
    auc = area(labels, np.array([*before, *after]) / 100)
    assert auc.value == pytest.approx(0.9166667, abs=1e-7)
    assert (auc.low, auc.high) == pytest.approx((0.5973406, 0.9860176), abs=5e-5)
    assert auc.method == NEWCOMBE


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1))
def test_the_ends_are_z_hanley_mcneil_errors_away(m: int, n: int, auc: float) -> None:
    """By the formula of the paper: N* = (m + n) / 2 - 1 in place of both m - 1 and n - 1."""
    low, high, _ = newcombe(auc, (m, n))
    assert low is not None
    assert high is not None
    assert 0 <= low <= auc <= high + 1e-12 <= 1 + 1e-12
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            star = (m + n) / 2 - 1
            ratios = (1 - end) / (2 - end) + end / (1 + end)
            error = math.sqrt(end * (1 - end) * (1 + star * ratios) / (m * n))
            assert abs(auc - end) == pytest.approx(1.959963984540054 * error, abs=1e-8)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1))
def test_the_interval_is_that_of_the_other_class_turned(m: int, n: int, auc: float) -> None:
    low, high, _ = newcombe(auc, (m, n))
    turned = newcombe(1 - auc, (n, m))
    assert (low, high) == pytest.approx((1 - (turned.high or 0), 1 - (turned.low or 0)), abs=1e-9)


@pytest.mark.parametrize("classes", [(1, 50), (10, 50), (50, 10), (5000, 3), (100_000, 900_000)])
def test_perfect_areas_have_an_interval(classes: tuple[int, int]) -> None:
    low, high, reason, method = area_interval(1.0, 0.0, classes)
    assert (high, reason, method) == (1.0, None, NEWCOMBE)
    assert low is not None
    assert 0 < low < 1
    turned = area_interval(0.0, 0.0, classes)
    assert turned.low == 0.0
    assert turned.high == pytest.approx(1 - low)


def test_one_malignant_image_has_an_interval_that_says_how_little_it_shows() -> None:
    labels = np.array([1, *[0] * 50], np.int8)
    auc = area(labels, np.linspace(1, 0, 51))
    assert auc.low == pytest.approx(0.42988, abs=1e-5)
    assert auc.high == 1.0
    assert auc.delong is not None
    assert auc.delong.reason == "a class with one image leaves the variance undefined"


def test_the_method_follows_the_size_and_the_area() -> None:
    assert chosen_method(0.95, 0.001, (10, 50)) == NEWCOMBE
    assert chosen_method(0.75, 0.001, (20, 50)) == LOGIT
    assert chosen_method(0.25, 0.001, (50, 20)) == LOGIT
    assert chosen_method(0.8735, 0.001, (117, 483)) == DELONG
    assert chosen_method(0.99, 0.001, (117, 483)) == NEWCOMBE
    assert chosen_method(0.5, 0.0, (5, 5)) == DELONG  # all scores are equal: no interval


def test_the_logit_interval_by_hand() -> None:
    # logit 0.8 = ln 4; the error on that scale is 0.04 / 0.16.
    half = 1.959964 * 0.25
    odds = 4 * math.exp(-half), 4 * math.exp(half)
    low, high, _ = logit(0.8, 0.0016)
    assert (low, high) == pytest.approx([each / (1 + each) for each in odds])
    assert area_interval(0.8, 0.0016, (20, 50)) == (low, high, None, LOGIT)


def test_ten_malignant_images_at_095_are_covered() -> None:
    """DeLong's holds 76 % here; of 2,000 samples so does at least 93 % of what is printed."""
    draw = np.random.default_rng(16)
    labels = np.repeat(np.array([1, 0], np.int8), (10, 50))
    truth, shift, held, delongs = 0.95, 1.6448536 * math.sqrt(2), 0, 0
    for _ in range(2000):
        scores = draw.normal(shift * labels, 1)
        aucs, covariance = delong(labels, scores[None])
        auc, variance = float(aucs[0]), float(covariance[0, 0])
        low, high, *_ = area_interval(auc, variance, (10, 50))
        held += low is not None and high is not None and low <= truth <= high
        plain = auc_interval(auc, variance)
        delongs += plain.low is not None and plain.low <= truth <= (plain.high or 0)
    assert held / 2000 >= 0.93
    assert delongs / 2000 < 0.85


def test_the_score_function_agrees_with_the_ends() -> None:
    low, high, _ = newcombe(0.9, (10, 40))
    for truth in (at / 100 for at in range(1, 100)):
        inside = (low or 0) <= truth <= (high or 0)
        assert (score_function(truth, 0.9, (10, 40), 1.959963984540054) <= 0) is inside


def test_large_samples_keep_delongs(shared: Path) -> None:
    labels, scores, sexes = submitted(shared, "recod_titans")
    auc = area(labels, scores)
    assert auc.method == DELONG
    assert auc.delong is not None
    assert (auc.low, auc.high) == (auc.delong.low, auc.delong.high)
    women = np.array(sexes) == "female"
    few = area(labels[women], scores[women])  # 41 melanoma at 0.929
    assert few.method == NEWCOMBE
    assert few.delong is not None
    assert few.delong.low != few.low
