"""Partial areas, calibration in the large, the smooth curve, and figures of the 2x2 table."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isic2017 import submitted
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM

from base.arrays import Float64Array, LabelArray
from report.metrics.calibration import (
    calibration_bins,
    expected_calibration_error,
    observed_expected,
)
from report.metrics.confusion import Confusion
from report.metrics.curves import smooth_calibration as smooth
from report.metrics.curves.partial_area import partial_auc
from report.metrics.curves.ranked import average_precisions, ranked
from report.metrics.metrics import measure
from report.metrics.net_benefit import interventions_avoided, net_benefit
from report.metrics.patients.natural_frequencies import natural_frequencies
from report.metrics.proportions import matthews, youden

# Few distinct scores, so that ties are the rule.
IMAGES = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda images: {label for label, _ in images} == {0, 1})
TUTORIAL = Confusion(tp=79, fp=175, tn=308, fn=38)


def arrays(images: list[tuple[int, float]]) -> tuple[LabelArray, Float64Array]:
    labels, scores = zip(*images, strict=True)
    return np.array(labels, np.int8), np.array(scores, np.float64)


def scored(n: int, seed: int = 3) -> tuple[LabelArray, Float64Array]:
    draw = np.random.default_rng(seed)
    scores = draw.beta(2, 5, n)
    return (draw.random(n) < scores**1.3).astype(np.int8), scores


@given(IMAGES, st.sampled_from([0.5, 0.8, 0.9]))
def test_partial_areas_are_scikit_learns_of_the_turned_curve(
    images: list[tuple[int, float]], sensitivity: float
) -> None:
    labels, scores = arrays(images)
    theirs = roc_auc_score(1 - labels, 1 - scores, max_fpr=1 - sensitivity)
    assert partial_auc(labels, scores, "", sensitivity).corrected == pytest.approx(theirs, abs=1e-9)


def test_the_partial_area_of_recod_titans_is_that_of_proc(shared: Path) -> None:
    labels, scores, _ = submitted(shared, "recod_titans")
    found = measure(labels, scores, 0.5).partial_auc
    assert found.value == pytest.approx(0.1053175, abs=5.1e-8)
    assert found.corrected == pytest.approx(0.7369932, abs=5.1e-8)


def test_partial_areas_of_perfect_and_equal_scores() -> None:
    labels = np.array([0, 0, 1, 1, 1], np.int8)
    perfect = partial_auc(labels, np.array([0.1, 0.2, 0.3, 0.4, 0.4]), "")
    assert [perfect.value, perfect.corrected] == pytest.approx([0.2, 1])
    chance = partial_auc(labels, np.full(5, 0.3), "")
    assert [chance.value, chance.corrected] == pytest.approx([0.02, 0.5])
    assert partial_auc(labels[:2], np.full(2, 0.3), "").reason == "only benign images"


@given(IMAGES)
def test_average_precision_by_the_counts_of_malignant_images(
    images: list[tuple[int, float]],
) -> None:
    labels, scores = arrays(images)
    ours = average_precisions(ranked(labels, scores))
    assert ours[0] == pytest.approx(average_precision_score(labels, scores))


@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_matthews_and_youden(cells: tuple[int, int, int, int]) -> None:
    table = Confusion(*cells)
    tp, fp, tn, fn = cells
    found = matthews(table, "nothing")
    if 0 in (tp + fp, tn + fn, tp + fn, tn + fp):
        assert (found.value, bool(found.reason)) == (None, True)
        return
    truth, answers = [1] * tp + [0] * (fp + tn) + [1] * fn, [1] * (tp + fp) + [0] * (tn + fn)
    assert found.value == pytest.approx(matthews_corrcoef(truth, answers))
    assert youden(table, "").value == pytest.approx(tp / (tp + fn) + tn / (tn + fp) - 1)


@given(st.tuples(*[st.integers(0, 30)] * 4), st.sampled_from([0.02, 0.23, 0.5, 1.0]))
def test_interventions_avoided_are_the_gain_over_treating_all(
    cells: tuple[int, int, int, int], threshold: float
) -> None:
    table = Confusion(*cells)
    avoided, benefit = (
        interventions_avoided(table, threshold, "none"),
        net_benefit(table, threshold, "none"),
    )
    if not table.total:
        assert avoided.reason == "none"
    elif threshold == 1:
        assert avoided.value == pytest.approx(100 * table.tn / table.total)
    else:
        assert benefit.value is not None
        assert benefit.treat_all is not None
        odds = threshold / (1 - threshold)
        gain = (benefit.value - benefit.treat_all) / odds * 100
        assert avoided.value == pytest.approx(gain)


def test_interventions_avoided_by_hand() -> None:
    # Of 600, 308 are spared; each of 38 missed ones counts (1 - 0.2) / 0.2 = 4 times.
    avoided = interventions_avoided(TUTORIAL, 0.2, "")
    assert avoided.value == pytest.approx(100 * (308 - 4 * 38) / 600)
    assert interventions_avoided(TUTORIAL, 0, "").reason == "at threshold 0 all are treated"


def test_the_ece_by_hand() -> None:
    # 0.15 and 0.05 lie in two tenths, 0.9 and 1.0 in one with the mean 0.95.
    labels, scores = arrays([(0, 0.15), (1, 0.05), (1, 0.9), (1, 1.0)])
    found = expected_calibration_error(calibration_bins(labels, scores), "")
    assert found.value == pytest.approx((0.15 + 0.95 + 0.1) / 4)
    assert expected_calibration_error([], "nothing").reason == "nothing"


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (0.9, "scores too high"),
        (0.1, "scores too low"),
        (0.5, "no sign that scores are too high or low"),
    ],
)
def test_calibration_in_the_large_in_words(score: float, words: str) -> None:
    labels = np.array([0, 1] * 50, np.int8)
    found = observed_expected(labels, np.full(100, score), "")
    assert found.words == words
    assert found.value == pytest.approx(0.5 / score)
    assert found.low is not None
    assert found.high is not None
    # Debray et al. 2017: the error of ln(O/E) is sqrt((1 - O/N) / O).
    half = 1.959964 * np.sqrt(0.5 / 50)
    assert np.log([found.low, found.high]) == pytest.approx(
        [np.log(0.5 / score) - half, np.log(0.5 / score) + half]
    )


def test_no_malignant_images_and_scores_of_zero_have_a_ratio_or_a_reason() -> None:
    benign = observed_expected(np.zeros(3, np.int8), np.full(3, 0.2), "")
    assert (benign.value, benign.reason) == (0.0, "no interval: no malignant images")
    zero = observed_expected(np.array([0, 1], np.int8), np.zeros(2), "")
    assert (zero.value, zero.reason) == (None, "all scores are 0")


def test_the_smooth_curve_is_statsmodels_of_a_spline_written_out() -> None:
    labels, scores = scored(400)
    found = smooth.smooth_calibration(labels, scores, "")
    logits = np.log(scores / (1 - scores))
    knots = np.quantile(logits, (0.05, 0.275, 0.5, 0.725, 0.95))
    at = np.array(found.score)
    columns, there = (by_hand(x, knots) for x in (logits, np.log(at / (1 - at))))
    fitted = GLM(labels, columns, families.Binomial()).fit(tol=1e-12)
    theirs = fitted.get_prediction(there).summary_frame()
    assert found.knots == 5
    assert found.fraction == pytest.approx(theirs["mean"].to_numpy(), abs=1e-6)
    assert found.low == pytest.approx(theirs["mean_ci_lower"].to_numpy(), abs=1e-6)
    assert found.high == pytest.approx(theirs["mean_ci_upper"].to_numpy(), abs=1e-6)


def by_hand(x: Float64Array, knots: Float64Array) -> Float64Array:
    """Harrell 2015, equation 2.25: linear beyond the outer knots."""
    *inner, before, last = knots
    columns = [np.ones_like(x), x]
    for knot in inner:
        term = np.where(x > knot, (x - knot) ** 3, 0)
        term -= np.where(x > before, (x - before) ** 3, 0) * (last - knot) / (last - before)
        term += np.where(x > last, (x - last) ** 3, 0) * (before - knot) / (last - before)
        columns.append(term)
    return np.column_stack(columns)


def test_grouped_logits_give_the_same_curve_to_the_eye(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores = scored(2000)
    exact = smooth.smooth_calibration(labels, scores, "")
    monkeypatch.setattr(smooth, "_UNGROUPED", 100)
    grouped = smooth.smooth_calibration(labels, scores, "")
    for name in ("fraction", "low", "high"):
        assert getattr(grouped, name) == pytest.approx(getattr(exact, name), abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "scores", "reason"),
    [
        ([0, 1] * 9, [0.1, 0.2, 0.3] * 6, "no curve: under 10 images of a class"),
        ([0, 1] * 20, [0.5] * 40, "no curve: all scores are equal"),
        ([0] * 20 + [1] * 20, [0.1] * 20 + [0.9] * 20, "no curve: perfect separation"),
        ([0, 1] * 20, [0.2, 0.7, 0.7, 0.2] * 10, "no curve: too few different scores"),
        ([1] * 20, [0.5] * 20, "only malignant images"),
        ([], [], "nothing"),
    ],
)
def test_a_curve_that_cannot_be_fitted(labels: list[int], scores: list[float], reason: str) -> None:
    found = smooth.smooth_calibration(np.array(labels, np.int8), np.array(scores), "nothing")
    assert reason in (found.reason or "")
    assert found.score == ()


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_a_curve_of_few_different_scores_is_finite_or_has_a_reason(seed: int, values: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.random(values)[draw.integers(0, values, 120)]
    labels = (draw.random(120) < 0.4).astype(np.int8)
    found = smooth.smooth_calibration(labels, scores, "")
    ends = np.array([found.low, found.fraction, found.high])
    assert bool(found.reason) == (ends.size == 0)
    assert np.isfinite(ends).all()
    assert (np.diff(ends, axis=0) >= 0).all()


def test_natural_frequencies_of_the_issue() -> None:
    found = natural_frequencies(0.8, 0.6622, 0.02)
    assert found is not None
    assert found.words == (
        "of 1,000 patients, 20 with melanoma: 16 found, 4 missed, 331 false alarms"
    )
    one = natural_frequencies(1.0, 979 / 980, 0.02)
    assert one is not None
    assert one.words.endswith("20 found, 0 missed, 1 false alarm")


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1e-5, 1 - 1e-5))
def test_natural_frequencies_add_up(
    sensitivity: float, specificity: float, prevalence: float
) -> None:
    found = natural_frequencies(sensitivity, specificity, prevalence)
    assert found is not None
    counts = (found.found, found.missed, found.false_alarms, found.cleared)
    assert min(counts) >= 0
    assert sum(counts) == found.patients
    assert found.found + found.missed == found.melanoma >= 5
    assert abs(found.melanoma - found.patients * prevalence) <= 0.5
    assert abs(found.found - found.melanoma * sensitivity) <= 0.5
    assert abs(found.cleared - (found.patients - found.melanoma) * specificity) <= 0.5


def test_natural_frequencies_that_do_not_exist() -> None:
    assert natural_frequencies(None, 0.5, 0.02) is None
    assert natural_frequencies(0.5, None, 1.0) is None
    assert natural_frequencies(0.5, 0.5, 1e-9) is None
