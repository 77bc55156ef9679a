"""Models and labels whose classes are the other way round are refused, or warned of."""

import numpy as np
import pytest

from imaging.errors import SourceError
from imaging.listing.class_folders import refuse_reversed
from imaging.listing.labels import LABELS, GivenLabels
from report.metrics.metrics import measure
from report.report_model import is_reversed, reversed_classes


@pytest.mark.parametrize(
    "names",
    [
        ("benign", "malignant"),
        ("nevus", "melanoma"),
        ("Seborrheic Keratosis", "MELANOMA"),
        ("a", "b"),
        ("a", "melanoma"),
        (),
    ],
)
def test_names_in_the_order_of_the_labels_are_right(names: tuple[str, ...]) -> None:
    refuse_reversed("c.keras", names, LABELS)


@pytest.mark.parametrize(
    ("names", "found", "index"),
    [
        (("melanoma", "nevus"), "melanoma", 0),
        (("malignant", "benign"), "malignant", 0),
        (("a", "Seborrheic Keratosis"), "Seborrheic Keratosis", 1),
        (("melanoma", "b"), "melanoma", 0),
    ],
)
def test_names_in_the_other_order_are_refused(
    names: tuple[str, str], found: str, index: int
) -> None:
    with pytest.raises(SourceError) as caught:
        refuse_reversed("c.keras", names, LABELS)

    assert f"class_names in its model card say that {found} is {index} (" in caught.value.message
    assert "change the order of class_names if only the card is wrong" in caught.value.message


def test_names_that_a_person_gave_count_too() -> None:
    labels = GivenLabels({"atypical naevus": 1, "other": None})

    refuse_reversed("c.keras", ("other", "Atypical-Naevus"), labels)
    with pytest.raises(SourceError, match=r"are 1 \(malignant\): change"):
        refuse_reversed("c.keras", ("Atypical-Naevus", "other"), labels)


def told(labels: list[int], scores: list[float]) -> bool:
    return is_reversed(measure(np.array(labels, np.int8), np.array(scores), 0.5))


def test_scores_in_the_other_order_are_warned_of() -> None:
    labels = [0, 1] * 20
    scores = [(0.6 if label == 0 else 0.4) + 0.01 * (at % 30) for at, label in enumerate(labels)]

    assert told(labels, scores)
    assert not told([1 - label for label in labels], scores)
    figures = measure(np.array(labels, np.int8), np.array(scores), 0.5)
    auc = figures.roc_auc
    assert reversed_classes(auc) == (
        f"warning: ROC AUC {auc.value:.3f} (upper limit {auc.high:.3f}) is below 0.5, so benign "
        "images have the higher scores: labels or classes may be reversed"
    )


@pytest.mark.parametrize(("each", "warned"), [(1, False), (3, False), (4, True), (600, True)])
def test_a_wholly_reversed_order_is_warned_of_unless_it_may_be_chance(
    each: int, warned: bool
) -> None:
    # Of 3 and 3 images one order in 20 is so, of 4 and 4 one in 70.
    assert told([0] * each + [1] * each, [0.9] * each + [0.1] * each) is warned


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([], []), ([0, 0], [0.1, 0.2]), ([0, 1], [0.5, 0.5]), ([0, 1] * 9, [0.2, 0.4, 0.6] * 6)],
)
def test_nothing_is_warned_of_without_a_reason(labels: list[int], scores: list[float]) -> None:
    assert not told(labels, scores)
