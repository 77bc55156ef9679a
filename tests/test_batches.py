from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import select, update

from db.clock import Now
from db.ledger import BatchKey, take_lease
from db.listing import ListedImage, cut_batches, stage_images
from db.runs import add_checkpoint
from db.session import Database
from db.tables import Batch, Image, Prediction, Run
from model.errors import ImageError
from worker.batches import MAX_STARTS, BatchScoring

ROOT = Path("/data")


class Killed(BaseException):
    """Stands for the end of the process: what comes after it in the worker does not happen."""


class Decoded(NamedTuple):
    images: npt.NDArray[np.float32]
    positions: list[int]
    errors: dict[int, ImageError]
    digests: dict[int, str]


class NameScorer:
    """Scores an image by the number that is its file's name; `7.bad` cannot be decoded."""

    def __init__(self) -> None:
        self.decoded: list[list[str]] = []
        self.before_score: Callable[[list[str]], None] = lambda _names: None

    def decode(self, root: Path, paths: Sequence[str]) -> Decoded:
        assert root == ROOT
        self.decoded.append(list(paths))
        good = [at for at, path in enumerate(paths) if not path.endswith(".bad")]
        images = np.zeros((len(good), 1, 1, 3), np.float32)
        images[:, 0, 0, 0] = [float(paths[at]) for at in good]
        errors = {
            at: ImageError("corrupt", f"{path} is damaged")
            for at, path in enumerate(paths)
            if at not in good
        }
        return Decoded(images, good, errors, {at: f"digest of {paths[at]}" for at in good})

    def score(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        self.before_score(self.decoded[-1])
        return images[:, 0, 0, 0].astype(np.float64)


@pytest.fixture
def scorer() -> NameScorer:
    return NameScorer()


@pytest.fixture
def scoring(database: Database) -> BatchScoring:
    return BatchScoring(database, ROOT, "ana")


def store_run(database: Database, *names: str) -> BatchKey:
    """A run of one batch of images of these names."""
    with database.write() as session:
        checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(name, None, None) for name in names])
        cut_batches(session, run.id)
        return BatchKey(run.id, 1)


def stored(database: Database) -> dict[str, float | str | None]:
    """Image to score or error code."""
    with database.read() as session:
        rows = session.execute(
            select(Image.path, Prediction.score, Prediction.error)
            .join(Prediction, Prediction.image_id == Image.id)
            .order_by(Image.id)
        )
        return {row.path: row.error or row.score for row in rows}


def batch(database: Database, key: BatchKey) -> Batch:
    with database.read() as session:
        return session.get_one(Batch, key)


def free(database: Database) -> None:
    """Let every lease have run out."""
    with database.write() as session:
        session.execute(
            update(Batch).where(Batch.leased_until.is_not(None)).values(leased_until=Now() - 1)
        )


def die_on(name: str) -> Callable[[list[str]], None]:
    def die(names: list[str]) -> None:
        if name in names:
            raise Killed

    return die


def attempt(database: Database, scoring: BatchScoring, key: BatchKey, scorer: NameScorer) -> None:
    """One worker's attempt, from which it may not return."""
    free(database)
    with suppress(Killed):
        scoring.score(key, scorer)


def test_a_batch_is_scored_as_a_whole(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.125", "7.bad", "0.5", "1", "0")

    scoring.score(key, scorer)

    assert scorer.decoded == [["0.125", "7.bad", "0.5", "1", "0"]]
    assert stored(database) == {"0.125": 0.125, "7.bad": "corrupt", "0.5": 0.5, "1": 1, "0": 0}
    assert batch(database, key).finished_at
    assert batch(database, key).leased_until is None


def test_an_outcome_says_all_that_is_known(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    scoring.score(store_run(database, "7.bad", "0.5"), scorer)

    with database.read() as session:
        bad, good = session.scalars(select(Prediction).order_by(Prediction.image_id))
    assert (bad.detail, bad.image_digest, bad.worker) == ("7.bad is damaged", None, "ana")
    assert (good.detail, good.image_digest, good.worker) == (None, "digest of 0.5", "ana")


def test_a_batch_of_bad_images_alone_is_finished(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "1.bad", "2.bad")

    scoring.score(key, scorer)

    assert stored(database) == {"1.bad": "corrupt", "2.bad": "corrupt"}
    assert batch(database, key).finished_at


def test_a_message_delivered_twice_finds_nothing_to_do(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.5")
    scoring.score(key, scorer)

    scoring.score(key, scorer)

    assert scorer.decoded == [["0.5"]]
    assert batch(database, key).attempts == 1


def test_a_batch_that_another_worker_holds_is_left_alone(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.5")
    with database.write() as session:
        take_lease(session, key, "ben", 60)

    scoring.score(key, scorer)

    assert scorer.decoded == []
    assert batch(database, key).worker == "ben"


def test_the_same_batch_delivered_while_it_is_scored_is_scored_once(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.5")
    other = NameScorer()
    scorer.before_score = lambda _names: BatchScoring(database, ROOT, "ben").score(key, other)

    scoring.score(key, scorer)

    assert other.decoded == []
    assert stored(database) == {"0.5": 0.5}


def test_a_score_that_is_none_becomes_an_error(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    scoring.score(store_run(database, "nan", "inf", "-0.5", "1.5", "0.5"), scorer)

    assert stored(database) == {
        "nan": "bad_score",
        "inf": "bad_score",
        "-0.5": "bad_score",
        "1.5": "bad_score",
        "0.5": 0.5,
    }


def test_an_exception_gives_the_batch_back_at_once(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5")

    def fail(_names: list[str]) -> None:
        raise MemoryError

    scorer.before_score = fail
    with pytest.raises(MemoryError):
        scoring.score(key, scorer)

    with database.read() as session:  # by now, for any clock has ticked
        assert session.scalar(select(Batch.leased_until <= Now()))
    assert stored(database) == {}
    assert batch(database, key).attempts == 1


def test_a_second_attempt_goes_image_by_image(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "7.bad", "0.5")
    with database.write() as session:
        take_lease(session, key, "ben", 60)
    free(database)

    scoring.score(key, scorer)

    assert scorer.decoded == [["0.25"], ["7.bad"], ["0.5"]]
    assert stored(database) == {"0.25": 0.25, "7.bad": "corrupt", "0.5": 0.5}
    assert batch(database, key).finished_at


def test_on_a_second_attempt_each_image_is_written_down_before_and_stored_after(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    with database.write() as session:
        take_lease(session, key, "ben", 60)
    free(database)
    with database.read() as session:
        ids = list(session.scalars(select(Image.id).order_by(Image.id)))
    seen: list[tuple[int | None, int, int]] = []

    def look(_names: list[str]) -> None:
        now = batch(database, key)
        seen.append((now.suspect_id, now.suspect_starts, len(stored(database))))

    scorer.before_score = look
    scoring.score(key, scorer)

    assert seen == [(ids[0], 1, 0), (ids[1], 1, 1), (ids[2], 1, 2)]


def test_images_with_a_prediction_are_not_scored_again(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    scorer.before_score = die_on("0.5")
    attempt(database, scoring, key, scorer)  # as a whole: nothing is stored
    attempt(database, scoring, key, scorer)  # one by one: the first is stored

    scorer.decoded.clear()
    scorer.before_score = lambda _names: None
    attempt(database, scoring, key, scorer)

    assert scorer.decoded == [["0.5"], ["0.75"]]
    assert stored(database) == {"0.25": 0.25, "0.5": 0.5, "0.75": 0.75}


def test_an_image_that_kills_every_worker_costs_only_itself(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    scorer.before_score = die_on("0.5")

    for _ in range(1 + MAX_STARTS):  # once in company, then alone
        attempt(database, scoring, key, scorer)
        assert not batch(database, key).finished_at
    attempt(database, scoring, key, scorer)

    assert stored(database) == {"0.25": 0.25, "0.5": "worker_died", "0.75": 0.75}
    assert batch(database, key).finished_at
    assert sum("0.5" in names for names in scorer.decoded) == 1 + MAX_STARTS


def test_two_images_that_kill_every_worker_cost_only_themselves(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75", "1")

    def die(names: list[str]) -> None:
        die_on("0.5")(names)
        die_on("0.75")(names)

    scorer.before_score = die
    attempts = 0
    while not batch(database, key).finished_at:
        attempt(database, scoring, key, scorer)
        attempts += 1
        assert attempts < 20

    assert attempts == 1 + 2 * MAX_STARTS + 1
    assert stored(database) == {"0.25": 0.25, "0.5": "worker_died", "0.75": "worker_died", "1": 1}


def test_a_worker_that_came_late_changes_nothing(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.25", "0.5")

    def be_overtaken(_names: list[str]) -> None:
        scorer.before_score = lambda _names: None
        free(database)
        BatchScoring(database, ROOT, "ben").score(key, NameScorer())

    scorer.before_score = be_overtaken
    scoring.score(key, scorer)

    with database.read() as session:
        assert set(session.scalars(select(Prediction.worker))) == {"ben"}
    assert stored(database) == {"0.25": 0.25, "0.5": 0.5}
    assert batch(database, key).leased_until is None


def test_a_batch_that_is_not_in_the_ledger_is_left_alone(
    database: Database, scoring: BatchScoring, scorer: NameScorer
) -> None:
    key = store_run(database, "0.5")

    scoring.score(BatchKey(key.run_id, 2), scorer)

    assert scorer.decoded == []
