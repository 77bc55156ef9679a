"""The figures beside the first five: by hand, and against the libraries that have them."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from isic2017 import submitted
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    class_likelihood_ratios,
    f1_score,
    precision_score,
    roc_curve,
)
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM

from base.arrays import Float64Array, LabelArray
from report.metrics.calibration import CLIP
from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate
from report.metrics.likelihood import at_prevalence, lr_negative, lr_positive
from report.metrics.metrics import Metrics, measure
from report.metrics.net_benefit import decision_curve, net_benefit
from report.metrics.subgroups import Groups, by_subgroup
from report.render.tables import subgroup_tables

TUTORIAL = Confusion(tp=79, fp=175, tn=308, fn=38)
IMAGES = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.23, 0.5, 0.7, 1.0])), min_size=1
)
THRESHOLDS = st.sampled_from([0.0, 0.1, 0.23, 0.3, 0.5, 1.0])


def arrays(images: list[tuple[int, float]]) -> tuple[LabelArray, Float64Array]:
    labels, scores = zip(*images, strict=True)
    return np.array(labels, np.int8), np.array(scores, np.float64)


def tutorial() -> Metrics:
    cells = ((1, 0.5, 79), (1, 0.1, 38), (0, 0.1, 308), (0, 0.5, 175))
    labels = np.concatenate([np.full(n, label, np.int8) for label, _, n in cells])
    scores = np.concatenate([np.full(n, score) for _, score, n in cells])
    return measure(labels, scores, 0.23, prevalence=0.02)


def rounded(figure: Estimate, digits: int = 3) -> tuple[float, float, float]:
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    return round(figure.value, digits), round(figure.low, digits), round(figure.high, digits)


def test_the_tutorials_operating_point() -> None:
    figures = tutorial()
    assert figures.confusion == TUTORIAL
    assert repr(figures.sensitivity.value) == "0.6752136752136753"
    assert repr(figures.specificity.value) == "0.6376811594202898"
    assert rounded(figures.sensitivity) == (0.675, 0.586, 0.753)
    assert rounded(figures.specificity) == (0.638, 0.594, 0.679)
    assert round(figures.ppv.value or 0, 3) == 0.311
    assert round(figures.npv.value or 0, 3) == 0.890
    assert round(figures.lr_positive.value or 0, 2) == 1.86
    assert round(figures.lr_negative.value or 0, 2) == 0.51
    assert round(figures.accuracy.value or 0, 3) == 0.645
    assert round(figures.balanced_accuracy.value or 0, 3) == 0.656


def test_likelihood_ratios_by_hand() -> None:
    spread = math.sqrt(1 / 79 - 1 / 117 + 1 / 175 - 1 / 483)
    value = (79 / 117) / (175 / 483)
    ratio = lr_positive(TUTORIAL, "")
    ends = (value * math.exp(-1.959964 * spread), value * math.exp(1.959964 * spread))
    assert (ratio.low, ratio.high) == pytest.approx(ends)


def test_predictive_values_at_another_prevalence_by_hand() -> None:
    sensitivity, specificity, p = 79 / 117, 308 / 483, 0.02
    other = tutorial().at_prevalence
    assert other is not None
    true, false = sensitivity * p, (1 - specificity) * (1 - p)
    assert other.ppv.value == pytest.approx(true / (true + false))
    right, missed = specificity * (1 - p), (1 - sensitivity) * p
    assert other.npv.value == pytest.approx(right / (right + missed))
    for figure in (other.ppv, other.npv):
        low, high = figure.low, figure.high
        assert low is not None
        assert high is not None
        assert low < (figure.value or 0) < high


def test_at_the_samples_own_prevalence_they_are_the_samples() -> None:
    other = at_prevalence(TUTORIAL, 117 / 600, "")
    assert other.ppv.value == pytest.approx(79 / 254)
    assert other.npv.value == pytest.approx(308 / 346)


@pytest.mark.parametrize(
    ("table", "ppv", "npv"),
    [
        (Confusion(tp=3, fp=0, tn=5, fn=2), (1.0, "no false positives: no interval"), None),
        (Confusion(tp=0, fp=0, tn=5, fn=2), (None, "no image is positive"), None),
        (Confusion(tp=2, fp=5, tn=0, fn=0), None, (None, "no image is negative")),
        (Confusion(tp=2, fp=5, tn=0, fn=3), None, (0.0, "no true negatives: no interval")),
        (Confusion(tp=0, fp=0, tn=5, fn=0), (None, "no malignant images"), None),
        (Confusion(0, 0, 0, 0), (None, "nothing"), (None, "nothing")),
    ],
)
def test_predictive_values_at_the_edges(
    table: Confusion, ppv: tuple[float | None, str] | None, npv: tuple[float | None, str] | None
) -> None:
    other = at_prevalence(table, 0.1, "nothing")
    if ppv is not None:
        assert (other.ppv.value, other.ppv.reason) == ppv
    if npv is not None:
        assert (other.npv.value, other.npv.reason) == npv


def test_net_benefit_by_hand() -> None:
    benefit = net_benefit(TUTORIAL, 0.2, "")
    assert benefit.value == pytest.approx(79 / 600 - 175 / 600 / 4)
    assert benefit.treat_all == pytest.approx(117 / 600 - 483 / 600 / 4)
    assert net_benefit(TUTORIAL, 1.0, "").value is None


# RECOD Titans' scores of the ISIC 2017 test set at 0.5 and at 0.23: R's dcurves at 0.02.
@pytest.mark.parametrize(
    ("threshold", "table", "expected"),
    [
        (0.5, Confusion(tp=64, fp=24, tn=459, fn=53), -0.0378),
        (0.23, Confusion(tp=96, fp=127, tn=356, fn=21), -0.0606),
    ],
)
def test_net_benefit_at_another_prevalence(
    threshold: float, table: Confusion, expected: float
) -> None:
    benefit = net_benefit(table, threshold, "", 0.02)
    assert benefit.value == pytest.approx(expected, abs=5e-5)
    odds = threshold / (1 - threshold)
    assert benefit.value == pytest.approx(table.tp / 117 * 0.02 - table.fp / 483 * 0.98 * odds)
    assert benefit.treat_all == pytest.approx(0.02 - 0.98 * odds)


def test_net_benefit_at_another_prevalence_needs_both_classes() -> None:
    for table, reason in (
        (Confusion(tp=3, fp=0, tn=0, fn=1), "no benign images"),
        (Confusion(tp=0, fp=3, tn=1, fn=0), "no malignant images"),
        (Confusion(tp=0, fp=0, tn=0, fn=0), "nothing"),
    ):
        assert net_benefit(table, 0.5, "nothing", 0.02).reason == reason


@given(
    IMAGES,
    st.sampled_from([0.0, 0.1, 0.23, 0.5, 0.7]),
    st.sampled_from([None, 0.02, 0.5]),
)
def test_the_decision_curve_is_the_net_benefit_at_each_threshold(
    images: list[tuple[int, float]], threshold: float, prevalence: float | None
) -> None:
    labels, scores = arrays(images)
    benefit = measure(labels, scores, threshold, prevalence=prevalence).net_benefit
    if benefit.value is None:
        assert prevalence is not None
        assert len(set(labels)) == 1
        return
    curve = decision_curve(labels, scores, np.array([threshold]), prevalence)
    assert curve.model[0] == pytest.approx(benefit.value)
    assert curve.treat_all[0] == pytest.approx(benefit.treat_all)


@given(IMAGES, THRESHOLDS)
def test_undefined_has_a_reason_and_the_rest_agrees_with_the_libraries(
    images: list[tuple[int, float]], threshold: float
) -> None:
    labels, scores = arrays(images)
    figures, positive = measure(labels, scores, threshold), scores >= threshold
    table = figures.confusion
    assert figures.brier.value == pytest.approx(brier_score_loss(labels, scores))
    one_class = len(set(labels)) == 1
    assert (figures.brier.scaled is None, bool(figures.brier.reason)) == (one_class, one_class)
    check(figures.ppv, table.positive > 0, lambda: precision_score(labels, positive))
    check(figures.npv, table.negative > 0, lambda: precision_score(1 - labels, ~positive))
    check(figures.f1, table.malignant > 0, lambda: f1_score(labels, positive))
    both = table.malignant > 0 and table.benign > 0
    check(figures.geometric_mean, both, lambda: geometric_mean_score(labels, positive))
    check(figures.average_precision, both, lambda: average_precision_score(labels, scores))
    # scikit-learn calls LR− undefined too where LR+ is, and warns; each is compared where it is.
    ratios = class_likelihood_ratios(labels, positive, labels=[0, 1]) if both else (None, None)
    check(figures.lr_positive, both and table.fp > 0, lambda: ratios[0])
    assert (lr_negative(table, "").value is None) == (not both or table.tn == 0)
    if both and table.fp and table.tn:
        assert figures.lr_negative.value == pytest.approx(ratios[1])


def check(figure: Estimate, defined: bool, theirs: Callable[[], object]) -> None:
    if defined:
        assert figure.value == pytest.approx(theirs())
    else:
        assert figure.value is None
        assert figure.reason


@given(IMAGES)
def test_specificity_at_sensitivity_is_the_best_of_the_roc_curve(
    images: list[tuple[int, float]],
) -> None:
    labels, scores = arrays(images)
    found = measure(labels, scores, 0.5).specificity_at_sensitivity
    if not 0 < labels.sum() < len(labels):
        assert {one.value for one in found} == {None}
        return
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    for one in found:
        assert one.value == pytest.approx(1 - fpr[tpr >= one.sensitivity].min())
        assert one.threshold is not None
        at = measure(labels, scores, one.threshold)
        assert at.specificity.value == pytest.approx(one.value)
        assert (at.sensitivity.value or 0) >= one.sensitivity


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(20, 400))
def test_calibration_agrees_with_statsmodels(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    scores = np.round(draw.beta(2, 3, n), 3)
    labels = (draw.random(n) < scores).astype(np.int8)
    labels[np.argsort(scores)[[-1, 0]]] = 0, 1  # overlapping, so that the slope is finite
    labels[[n // 2, n // 3]] = 0, 1
    figures = measure(labels, scores, 0.5)
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    logit = np.log(clipped / (1 - clipped))
    ones = np.ones((n, 1))
    agrees(figures.calibration_intercept, GLM(labels, ones, families.Binomial(), offset=logit))
    design = np.column_stack([ones, logit])
    agrees(figures.calibration_slope, GLM(labels, design, families.Binomial()))


def agrees(figure: Estimate, model: GLM) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = model.fit(tol=1e-12)
    ends = [theirs.params[-1], *theirs.conf_int()[-1]]
    assert [figure.value, figure.low, figure.high] == pytest.approx(ends, rel=1e-4, abs=1e-5)


SEPARATED = "perfect separation: the slope is without bound"


@pytest.mark.parametrize(
    ("images", "slope"),
    [
        (
            [(1, 0.9), (1, 0.8), (0, 0.2), (0, 0.8)],
            "perfect separation: the slope is without bound",
        ),
        ([(0, 0.9), (1, 0.2)], SEPARATED),
        ([(0, 0.5), (1, 0.5)], "all scores are equal"),
        ([(0, 0.5), (0, 0.1)], "only benign images"),
        ([(1, 0.5)], "only malignant images"),
    ],
)
def test_a_slope_that_is_undefined(images: list[tuple[int, float]], slope: str) -> None:
    figure = measure(*arrays(images), 0.5).calibration_slope
    assert (figure.value, figure.reason) == (None, slope)


def test_certain_scores_have_a_calibration_without_a_warning() -> None:
    images = [(1, 0.0), (0, 1.0), (1, 1.0), (0, 0.0), (1, 1.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measure(*arrays(images), 0.5)
    assert figures.calibration_intercept.value is not None
    assert figures.calibration_slope.value is not None


@given(IMAGES)
def test_calibration_bins_agree_with_sklearn(images: list[tuple[int, float]]) -> None:
    labels, scores = arrays(images)
    bins = measure(labels, scores, 0.5).calibration_curve
    assert sum(one.images for one in bins) == len(labels)
    # Its bins hold their upper end and ours their lower: alike where no score is an edge.
    moved = np.clip(scores + 1e-9, 0, 1 - 1e-9)
    fractions, means = calibration_curve(labels, moved, n_bins=10)
    assert [one.malignant / one.images for one in bins] == pytest.approx(fractions)
    assert [one.mean_score for one in bins] == pytest.approx(means, abs=1e-6)


def test_an_interval_widens_with_the_confidence() -> None:
    labels, scores = arrays([(at % 2, (at * 7 % 20) / 20 + 0.02 * (at % 2)) for at in range(60)])
    usual = measure(labels, scores, 0.5)
    wide = measure(labels, scores, 0.5, confidence=0.99)
    for name in ("sensitivity", "ppv", "lr_positive", "roc_auc", "calibration_slope"):
        narrow_figure, wide_figure = getattr(usual, name), getattr(wide, name)
        assert narrow_figure.value == wide_figure.value
        assert wide_figure.low < narrow_figure.low
        assert narrow_figure.high < wide_figure.high


@pytest.mark.parametrize(
    ("team", "known"),
    [("recod_titans", (0.8735, 0.8355, 0.9115)), ("gonzalez_diaz", (0.8556, 0.8178, 0.8934))],
)
def test_two_teams_of_isic_2017(shared: Path, team: str, known: tuple[float, float, float]) -> None:
    labels, scores, _ = submitted(shared, team)
    figures = measure(labels, scores, 0.5)
    assert rounded(figures.roc_auc, 4) == known
    if team == "recod_titans":
        found = [round(one.value or 0, 4) for one in figures.specificity_at_sensitivity]
        assert found == [0.7743, 0.5445, 0.3954]


def test_recod_titans_by_sex(shared: Path) -> None:
    labels, scores, sexes = submitted(shared, "recod_titans")
    values = ("male", "female", None)
    codes = np.array([values.index(sex or None) for sex in sexes])
    female, male, unknown = by_subgroup([Groups("sex", values, codes, labels, scores)], 0.5)
    assert (male.value, male.confusion.total, male.confusion.malignant) == ("male", 294, 67)
    assert (female.value, female.confusion.total, female.confusion.malignant) == ("female", 279, 41)
    assert round(male.roc_auc.value or 0, 3) == 0.824
    assert round(female.roc_auc.value or 0, 3) == 0.929
    assert (unknown.value, unknown.confusion.total) == (None, 27)
    assert unknown.suppressed == "under 10: 9 malignant"
    assert (unknown.roc_auc.value, unknown.sensitivity.value) == (None, None)


def test_numbers_are_ordered_by_size() -> None:
    labels, scores = arrays([(1, 0.5)] * 4)
    groups = Groups("age", ("100", None, "9", "20"), np.arange(4), labels, scores)
    assert [one.value for one in by_subgroup([groups], 0.5)] == ["9", "20", "100", None]


def test_a_likelihood_ratio_of_nothing_over_nothing_is_not_without_bound() -> None:
    nobody = Confusion(tp=0, fp=0, tn=5, fn=3)
    assert lr_positive(nobody, "nothing").reason == "no image is positive: it is 0/0"
    everybody = Confusion(tp=3, fp=5, tn=0, fn=0)
    assert lr_negative(everybody, "nothing").reason == "no image is negative: it is 0/0"


def test_a_subgroups_table_says_why_an_area_has_no_interval() -> None:
    labels = np.array([0, 1] * 10, np.int8)
    group = Groups("site", ("arm",), np.zeros(20, np.int64), labels, np.full(20, 0.5))
    (table,) = subgroup_tables(by_subgroup([group], 0.5), 0.95)
    assert (
        table.rows[0][-1] == "0.500; no interval: all scores are equal: the estimated variance is 0"
    )
