"""The flips and quarter turns of an image, the mean of their scores, and the time they may take."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from db.queries.outcomes import Seconds
from db.queries.runs import RunSpec
from model.card import Decode
from model.features.feature_cache import FeatureKey
from worker.health.activity import ActivityTracker
from worker.scoring.batch_scores import BatchScores, RunScores
from worker.scoring.tracked_engine import TrackedEngine
from worker.scoring.views import key_of_view, mean_of_rows, mean_of_views, seen

# Two rows of three pixels; the three channels are the same.
IMAGE = np.repeat(np.array([[1, 2, 3], [4, 5, 6]], np.float32)[..., None], 3, axis=-1)
VIEWS = [
    [[1, 2, 3], [4, 5, 6]],
    [[3, 2, 1], [6, 5, 4]],
    [[4, 5, 6], [1, 2, 3]],
    [[6, 5, 4], [3, 2, 1]],
    [[1, 4], [2, 5], [3, 6]],
    [[4, 1], [5, 2], [6, 3]],
    [[3, 6], [2, 5], [1, 4]],
    [[6, 3], [5, 2], [4, 1]],
]


@pytest.mark.parametrize(("view", "expected"), list(enumerate(VIEWS)))
def test_a_view_is_a_flip_or_a_turn(view: int, expected: list[list[int]]) -> None:
    images = np.stack([IMAGE, IMAGE + 10])

    found = seen(images, view)

    for image, more in zip(found, (0, 10), strict=True):
        for channel in range(3):
            assert (image[..., channel] - more).tolist() == expected
    assert np.shares_memory(found, images)


def test_eight_views_are_all_flips_and_quarter_turns_each_once() -> None:
    square = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)

    turns = [np.rot90(square, turn, axes=(1, 2)) for turn in range(4)]
    expected = {image.tobytes() for turned in turns for image in (turned, turned[:, :, ::-1])}

    assert len(expected) == 8
    assert {seen(square, view).tobytes() for view in range(8)} == expected


@pytest.mark.parametrize("precision", ["", "bfloat16"])
def test_each_view_has_its_own_features_and_the_first_those_of_the_image(precision: str) -> None:
    key = FeatureKey(backbone="ab", decode=Decode(), shape=(8,), variant=precision)

    keys = [key_of_view(key, view) for view in range(8)]

    assert keys[0] == key
    assert len({one.name for one in keys}) == 8
    assert keys[5].variant == f"{precision} view-5".strip()


def test_the_mean_is_of_the_images_that_every_view_scored() -> None:
    views = [{0: 0.25, 1: 0.5, 2: 1.0}, {0: 0.75, 2: 0.0}, {1: 0.1, 0: 0.5, 2: 0.5}, {0: 0, 2: 0.5}]

    assert mean_of_views(views) == {0: 0.375, 2: 0.5}
    assert mean_of_views(views[:1]) == views[0]


def test_a_view_that_gives_no_score_is_not_averaged_away() -> None:
    views = [{0: 0.25, 1: 0.25, 2: 1 + 1e-7}, {0: 1.75, 1: math.nan, 2: 1.0}]

    found = mean_of_views(views)

    assert found[0] == 1.75, "proof of a model that does not give probabilities"
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(1)


class Looking:
    """An engine that notes how many seconds it may take."""

    def __init__(self, activity: ActivityTracker) -> None:
        self._activity = activity
        self.allowed: list[float] = []

    def prepare(self, spec: RunSpec) -> None:
        raise NotImplementedError(spec)

    def score(self, specs: Sequence[RunSpec], _paths: Sequence[str], _known: object) -> BatchScores:
        late = self._activity.overdue()
        assert late is not None
        self.allowed.append(late.seconds)
        return BatchScores([RunScores({}, {}, {}, {}) for _ in specs], Seconds())

    def failure(self, digest: str, _precision: str) -> None:
        raise NotImplementedError(digest)

    @property
    def device(self) -> str:
        return "none"

    def close(self) -> None:
        """There is nothing to write."""


def test_the_watchdog_gives_each_view_the_time_of_an_image() -> None:
    activity = ActivityTracker(hang_seconds=1e-9)  # so that whatever is tracked is overdue
    engine = Looking(activity)
    tracked = TrackedEngine(engine, activity)
    one, eight = (RunSpec(views, "", "", "", "float32", False, views) for views in (1, 8))
    batch = [f"{at}.jpg" for at in range(64)]

    for specs, paths in (([one], batch), ([one, eight], batch), ([one], batch[:1])):
        tracked.score(specs, paths, lambda _: {})
    tracked.score([eight], batch[:1], lambda _: {})

    # HANG_SECONDS, and as much again for every 32 images or views more than one.
    assert engine.allowed == pytest.approx([3e-9, 17e-9, 1e-9, (1 + 7 / 32) * 1e-9])


def test_the_probabilities_of_an_image_are_the_means_of_its_views_class_by_class() -> None:
    rows = [np.asarray(row, np.float32) for row in ([0.5, 0.25, 0.25], [0.25, 0.5, 0.25])]
    assert mean_of_rows(rows).tolist() == [0.375, 0.375, 0.25]
    wrong = [rows[0], np.asarray([1.5, 0.0, -0.5], np.float32)]
    assert mean_of_rows(wrong).tolist() == [1.5, 0.125, -0.5]
    assert np.isnan(mean_of_rows([rows[0], np.asarray([np.nan, 0, 0], np.float32)])[0])
