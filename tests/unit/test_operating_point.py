import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from report.thresholds.operating_point import threshold_for_sensitivity

Images = list[tuple[int, float]]  # label, score

# A coarse grid, so that scores are often equal, and neighbouring floats, with nothing between them.
SCORES = st.sampled_from([0.0, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, 1.0]) | st.floats(0, 1)
IMAGES = st.lists(st.tuples(st.integers(0, 1), SCORES), min_size=1, max_size=12).filter(
    lambda images: any(label for label, _ in images)
)


def threshold(malignant: list[float], benign: list[float], target: float) -> float:
    labels = np.array([1] * len(malignant) + [0] * len(benign), np.int8)
    return threshold_for_sensitivity(labels, np.array(malignant + benign), target)


def found(images: Images, at: float) -> int:
    """Malignant images whose score is at least the threshold."""
    return sum(label == 1 and score >= at for label, score in images)


def positive(images: Images, at: float) -> list[bool]:
    return [score >= at for _, score in images]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0.01, (0.9 + 0.8) / 2),  # one of four
        (0.25, (0.9 + 0.8) / 2),
        (0.26, (0.8 + 0.7) / 2),  # two
        (0.5, (0.8 + 0.7) / 2),
        (0.75, (0.7 + 0.65) / 2),  # three; the next score below is a benign one
        (0.76, (0.6 + 0.3) / 2),
        (1.0, (0.6 + 0.3) / 2),
    ],
)
def test_it_lies_half_way_below_the_last_image_that_is_needed(
    target: float, expected: float
) -> None:
    found_at = threshold([0.6, 0.9, 0.7, 0.8], [0.1, 0.65, 0.3], target)
    assert found_at == pytest.approx(expected, abs=1e-15)


def test_malignant_images_of_one_score_come_together() -> None:
    assert threshold([0.5, 0.5, 0.2], [0.1], 1 / 3) == 0.35


def test_a_benign_image_of_the_same_score_does_not_raise_it() -> None:
    assert threshold([0.75, 0.5], [0.5, 0.25], 1.0) == 0.375


@pytest.mark.parametrize("target", [0.001, 0.5, 1.0])
def test_a_single_malignant_image(target: float) -> None:
    assert threshold([0.5], [0.25, 0.75], target) == 0.375


@pytest.mark.parametrize("score", [0.0, 0.5, 1.0])
def test_where_all_scores_are_equal_it_is_that_score(score: float) -> None:
    assert threshold([score, score], [score], 0.8) == score


def test_where_nothing_lies_below_it_is_the_lowest_score() -> None:
    assert threshold([0.5, 0.75], [0.625], 1.0) == 0.5


def test_between_neighbouring_floats_it_is_the_upper_one() -> None:
    above = float(np.nextafter(0.5, 1))
    assert threshold([above], [0.5], 1.0) == above


@pytest.mark.parametrize(("target", "needed"), [(0.9, 9), (0.3, 3), (0.7, 7), (0.91, 10)])
def test_a_hair_in_the_floats_costs_no_image(target: float, needed: int) -> None:
    scores = [number / 10 for number in range(1, 11)]
    images = [(1, score) for score in scores]
    assert found(images, threshold(scores, [], target)) == needed


def test_without_malignant_images_there_is_none() -> None:
    with pytest.raises(ValueError, match="undefined"):
        threshold([], [0.5], 0.9)


@given(IMAGES, st.floats(0.001, 1))
@example([(1, 0.5), (0, float(np.nextafter(0.5, 0)))], 1.0)
@example([(1, 5e-324), (0, 0.0)], 1.0)
def test_no_higher_threshold_reaches_the_target(images: Images, target: float) -> None:
    labels, scores = (np.array(column) for column in zip(*images, strict=True))
    at = threshold_for_sensitivity(labels, scores, target)
    needed = target * labels.sum() - 1e-9

    assert found(images, at) >= needed
    different = sorted(set(scores.tolist()))
    between = [(low + high) / 2 for low, high in itertools.pairwise(different)]
    higher = [one for one in between if one > at and positive(images, one) != positive(images, at)]
    assert [one for one in higher if found(images, one) >= needed] == []
