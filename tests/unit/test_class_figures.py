"""Figures of several classes: counted by hand, and as scikit-learn has them."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, roc_auc_score

from report.metrics.classes import ClassFigures, measure_classes
from report.metrics.metrics import measure

NAMES = ("mel", "nv", "df")
# Five melanomas, of which three are found; four nevi, of which three; one dermatofibroma.
TRUTH = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2])
ROWS = np.array(
    [
        *([[0.7, 0.2, 0.1]] * 3),
        [0.3, 0.6, 0.1],
        [0.2, 0.1, 0.7],
        *([[0.1, 0.8, 0.1]] * 3),
        [0.5, 0.4, 0.1],
        [0.0, 0.1, 0.9],
    ],
    np.float32,
)


def measured(truth: object = TRUTH, rows: object = ROWS) -> ClassFigures:
    return measure_classes(NAMES, np.array(truth, np.int64), np.array(rows, np.float32))


def test_counted_by_hand() -> None:
    figures = measured()
    assert figures.confusion == ((3, 1, 1, 0), (1, 3, 0, 0), (0, 0, 1, 0))
    assert [one.images for one in figures.each] == [5, 4, 1]
    assert [one.sensitivity.value for one in figures.each] == [3 / 5, 3 / 4, 1]
    assert [one.specificity.value for one in figures.each] == [4 / 5, 5 / 6, 8 / 9]
    assert figures.balanced_accuracy.value == pytest.approx((3 / 5 + 3 / 4 + 1) / 3)
    assert (figures.images, figures.undecided) == (10, 0)


def test_each_class_is_measured_as_malignant_against_benign_is() -> None:
    """The same intervals: Wilson's, and DeLong's."""
    for at, one in enumerate(measured().each[:2]):
        labels = np.equal(TRUTH, at).astype(np.int8)
        answers = (ROWS.argmax(axis=1) == at).astype(np.float64)
        expected = measure(labels, answers, 0.5)
        assert (one.sensitivity, one.specificity) == (expected.sensitivity, expected.specificity)
        assert one.roc_auc == measure(labels, ROWS[:, at].astype(np.float64), 0.5).roc_auc


def test_as_scikit_learn_has_it() -> None:
    drawn = np.random.default_rng(5)
    truth = drawn.choice(3, 400, p=[0.1, 0.7, 0.2])
    rows = drawn.dirichlet(0.5 + 3 * np.eye(3)[truth].mean(axis=0), 400) + np.eye(3)[truth] * 0.3
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    figures = measured(truth, rows)

    answers = rows.argmax(axis=1)
    expected = confusion_matrix(truth, answers).tolist()
    assert [list(row[:-1]) for row in figures.confusion] == expected
    assert figures.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(truth, answers))
    for at, one in enumerate(figures.each):
        assert one.roc_auc.value == pytest.approx(roc_auc_score(truth == at, rows[:, at]))
        assert one.roc_auc.low is not None
        assert one.sensitivity.low is not None
    whole = roc_auc_score(truth, rows.astype(np.float64), multi_class="ovr", labels=[0, 1, 2])
    each = [one.roc_auc.value or 0 for one in figures.each]
    assert np.mean(each) == pytest.approx(whole, abs=1e-6)


def test_a_class_without_images_has_no_figures_and_neither_have_all_together() -> None:
    figures = measured(TRUTH[:9], ROWS[:9])
    absent = figures.each[2]
    assert (absent.images, absent.sensitivity.value, absent.roc_auc.value) == (0, None, None)
    assert absent.sensitivity.reason == absent.roc_auc.reason == "no images of df"
    assert absent.specificity.value == 8 / 9
    assert figures.balanced_accuracy.value is None
    assert figures.balanced_accuracy.reason == "no images of df"
    assert figures.each[0].sensitivity.value == 3 / 5


def test_images_of_one_class_alone_say_nothing_of_the_others() -> None:
    one, *others = measured(TRUTH[:5], ROWS[:5]).each
    assert one.specificity.reason == one.roc_auc.reason == "no images of other classes"
    assert [other.sensitivity.reason for other in others] == ["no images of nv", "no images of df"]


def test_an_image_whose_highest_probability_two_classes_share_has_no_answer() -> None:
    """As the challenge's scorer counts it: for no class, and not as right."""
    rows = ROWS.copy()
    rows[0] = 0.45, 0.45, 0.1
    figures = measured(TRUTH, rows)
    assert figures.confusion[0] == (2, 1, 1, 1)
    assert figures.each[0].sensitivity.value == 2 / 5
    assert figures.undecided == 1
