import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from imblearn.metrics import sensitivity_score, specificity_score
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate
from report.metrics.metrics import Metrics, measure
from report.metrics.ranking import roc_points

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "isic2017_scores"

# Few distinct scores, so that ties, and scores equal to the threshold, are the rule.
tables = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.23, 0.5, 0.7, 1.0])), min_size=1
)
thresholds = st.sampled_from([0.0, 0.1, 0.23, 0.3, 0.5, 1.0])


def of(labels: list[int], scores: list[float], threshold: float = 0.5) -> Metrics:
    return measure(*arrays(list(zip(labels, scores, strict=True))), threshold)


def arrays(table: list[tuple[int, float]]) -> tuple[LabelArray, Float64Array]:
    labels = np.array([label for label, _ in table], dtype=np.int8)
    return labels, np.array([score for _, score in table], dtype=np.float64)


def test_figures_countable_by_hand() -> None:
    figures = of([1, 1, 1, 1, 0, 0, 0], [0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.1])
    assert figures.confusion == Confusion(tp=3, fp=1, tn=2, fn=1)
    assert figures.sensitivity.value == 3 / 4
    assert figures.specificity.value == 2 / 3
    assert figures.accuracy.value == 5 / 7
    assert figures.accuracy.baseline == 4 / 7
    assert figures.accuracy.majority == "malignant"
    assert figures.balanced_accuracy.value == (3 / 4 + 2 / 3) / 2
    # Of 12 pairs, 0.2 is above 0.1 alone, and 0.7, 0.8 and 0.9 are above all three.
    assert figures.roc_auc.value == pytest.approx(10 / 12)


def test_wilson_interval_by_its_closed_form() -> None:
    # Wilson 1927: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    z, n, p = 1.959963984540054, 4, 0.75
    middle, half = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    sensitivity = of([1, 1, 1, 1, 0], [0.9, 0.8, 0.7, 0.2, 0.1]).sensitivity
    assert sensitivity.low == pytest.approx((middle - half) / (1 + z**2 / n))
    assert sensitivity.high == pytest.approx((middle + half) / (1 + z**2 / n))


def test_a_score_equal_to_the_threshold_is_positive() -> None:
    assert of([1, 0], [0.23, 0.23], 0.23).confusion == Confusion(tp=1, fp=1, tn=0, fn=0)
    just_above = math.nextafter(0.23, 1)
    assert of([1, 0], [0.23, 0.23], just_above).confusion == Confusion(tp=0, fp=0, tn=1, fn=1)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_at_both_ends_are_allowed(threshold: float) -> None:
    assert of([1, 0], [1.0, 0.0], threshold).sensitivity.value == 1.0


def test_nothing_malignant() -> None:
    figures = of([0, 0, 0], [0.1, 0.2, 0.9])
    assert figures.sensitivity == type(figures.sensitivity)(None, "no malignant images")
    assert figures.sensitivity.low is None
    assert figures.specificity.value == 2 / 3
    assert figures.balanced_accuracy == Estimate(None, "no malignant images")
    assert figures.roc_auc == Estimate(None, "only benign images")
    assert figures.accuracy.baseline == 1.0


def test_nothing_benign() -> None:
    figures = of([1, 1], [0.1, 0.9])
    assert figures.sensitivity.value == 1 / 2
    assert (figures.specificity.value, figures.specificity.reason) == (None, "no benign images")
    assert figures.balanced_accuracy == Estimate(None, "no benign images")
    assert figures.roc_auc == Estimate(None, "only malignant images")


def test_nothing_at_all() -> None:
    figures = of([], [])
    assert figures.confusion == Confusion(0, 0, 0, 0)
    for figure in (
        figures.sensitivity,
        figures.specificity,
        figures.accuracy,
        figures.balanced_accuracy,
        figures.roc_auc,
    ):
        assert (figure.value, figure.reason) == (None, "no labelled images")
    assert figures.accuracy.baseline is None


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        of([0, 1], [0.1, 0.9], threshold)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        of([0, -1], [0.1, 0.9])


@given(tables, thresholds)
def test_counts_agree_with_sklearn(table: list[tuple[int, float]], threshold: float) -> None:
    labels, scores = arrays(table)
    cells = measure(labels, scores, threshold).confusion
    theirs = confusion_matrix(labels, scores >= threshold, labels=[0, 1])
    assert [[cells.tn, cells.fp], [cells.fn, cells.tp]] == theirs.tolist()


@given(tables, thresholds)
def test_figures_agree_with_imblearn_and_sklearn(
    table: list[tuple[int, float]], threshold: float
) -> None:
    labels, scores = arrays(table)
    assume(0 < labels.sum() < len(labels))
    figures, positive = measure(labels, scores, threshold), scores >= threshold
    # To the last digit: these are what the tutorial prints.
    assert figures.sensitivity.value == sensitivity_score(labels, positive)
    assert figures.specificity.value == specificity_score(labels, positive)
    assert figures.accuracy.value == pytest.approx(accuracy_score(labels, positive))
    assert figures.balanced_accuracy.value == pytest.approx(
        balanced_accuracy_score(labels, positive)
    )
    assert figures.roc_auc.value == pytest.approx(roc_auc_score(labels, scores))


@given(tables, thresholds)
def test_intervals_agree_with_statsmodels(table: list[tuple[int, float]], threshold: float) -> None:
    labels, scores = arrays(table)
    figures = measure(labels, scores, threshold)
    for figure in (figures.sensitivity, figures.specificity, figures.accuracy):
        if figure.value is None or figure.low is None or figure.high is None:
            assert figure.total == 0
            continue
        theirs = proportion_confint(figure.count, figure.total, method="wilson")
        assert (figure.low, figure.high) == pytest.approx(theirs)
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


@given(st.integers(1, 5000))
def test_intervals_of_none_and_all_hold_their_value(n: int) -> None:
    none_found = of([1] * n, [0.0] * n).sensitivity
    assert (none_found.low, none_found.value) == (0.0, 0.0)
    all_found = of([1] * n, [1.0] * n).sensitivity
    assert (all_found.value, all_found.high) == (1.0, 1.0)


def test_the_area_under_the_points_is_the_auc() -> None:
    labels, scores = arrays([(1, 0.9), (0, 0.9), (1, 0.4), (0, 0.3), (0, 0.4)])
    points = roc_points(labels, scores)
    area = np.trapezoid(points.sensitivity, points.false_positives)
    assert area == pytest.approx(measure(labels, scores, 0.5).roc_auc.value)


@pytest.mark.parametrize(("team", "auc"), [("recod_titans", 0.8735), ("gonzalez_diaz", 0.8556)])
def test_auc_of_two_teams_of_isic_2017(team: str, auc: float) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no ISIC 2017 scores at {SHARED}")
    truth = {row["image_id"]: float(row["melanoma"]) for row in rows(SHARED / "truth.csv")}
    submitted = rows(SHARED / f"{team}.csv")
    labels = np.array([truth[row["image_id"]] for row in submitted]).astype(np.int8)
    scores = np.array([float(row["melanoma"]) for row in submitted])
    figures = measure(labels, scores, 0.5)
    assert (figures.confusion.malignant, figures.confusion.benign) == (117, 483)
    assert figures.roc_auc.value == pytest.approx(auc, abs=5e-5)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
