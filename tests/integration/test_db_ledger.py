import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import PATIENCE
from sqlalchemy import func, select, update

from base.listed_image import ListedImage
from db.clock import Now
from db.queries.leases import (
    BatchKey,
    Lease,
    pending_images,
    release_leases,
    renew_leases,
    take_leases,
)
from db.queries.listing import cut_batches, stage_images
from db.queries.outcomes import Outcome, finish_batch, note_start, store_outcomes
from db.queries.runs import add_checkpoint
from db.queries.unfinished import (
    Unfinished,
    claim_expired,
    count_unfinished,
    unfinished_checkpoints,
)
from db.session import Database, open_database
from db.tables import Batch, Prediction, Run

T = TypeVar("T")
LONG = 60.0  # seconds: a lease that does not run out in a test


def store_run(database: Database, images: int, batch_size: int = 3, digest: str = "a" * 64) -> int:
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest, "model.keras", {})
        run = Run(
            source="images",
            checkpoint_id=checkpoint.id,
            precision="float32",
            batch_size=batch_size,
        )
        session.add(run)
        session.flush()
        stage_images(
            session, run, [ListedImage(f"{number}.jpg", None, None) for number in range(images)]
        )
        cut_batches(session, run.id)
        return run.id


@pytest.fixture
def first(database: Database) -> BatchKey:
    """The first of two batches, of 3 and of 2 images."""
    return BatchKey(store_run(database, images=5), 1)


@pytest.fixture
def second(first: BatchKey) -> BatchKey:
    return BatchKey(first.run_id, 2)


def lease(database: Database, key: BatchKey, worker: str, seconds: float = LONG) -> Lease | None:
    with database.write() as session:
        leases = take_leases(session, key, worker, seconds)
        return leases[0] if leases else None


def renew(database: Database, worker: str, seconds: float) -> None:
    with database.write() as session:
        renew_leases(session, worker, seconds)


def sweep(database: Database, republish_seconds: float = LONG, **options: Any) -> list[BatchKey]:
    with database.write() as session:
        return claim_expired(session, republish_seconds, **{"unstarted": False, **options})


def score(database: Database, key: BatchKey, value: float = 0.5, images: int = 99) -> bool:
    """Store scores for so many of the pending images; whether the batch is finished then."""
    with database.write() as session:
        pending = pending_images(session, [key])[:images]
        store_outcomes(session, "w", [Outcome(row.id, value, None, None, "d") for row in pending])
        return finish_batch(session, key) is not None


def stored(database: Database, key: BatchKey) -> Batch:
    with database.read() as session:
        return session.get_one(Batch, key)


def becomes(look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true answer of `look`."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return answer


def test_a_batch_has_one_holder(database: Database, first: BatchKey, second: BatchKey) -> None:
    assert lease(database, first, "ana") == Lease(first, 1, None, 0)

    assert lease(database, first, "ben") is None
    assert lease(database, first, "ana") is None
    assert lease(database, second, "ben") == Lease(second, 1, None, 0)


def test_a_lease_that_ran_out_is_anyones_and_attempts_are_counted(
    database: Database, first: BatchKey
) -> None:
    lease(database, first, "ana")
    assert lease(database, first, "ben") is None

    renew(database, "ana", 0.05)
    assert becomes(lambda: lease(database, first, "ben", 0.05)) == Lease(first, 2, None, 0)
    assert becomes(lambda: lease(database, first, "ana")) == Lease(first, 3, None, 0)
    assert stored(database, first).worker == "ana"


def test_an_unknown_batch_cannot_be_held(database: Database, first: BatchKey) -> None:
    assert lease(database, BatchKey(first.run_id, 3), "ana") is None
    assert lease(database, BatchKey(first.run_id + 1, 1), "ana") is None


def test_a_lease_is_judged_by_the_databases_clock(
    database: Database, first: BatchKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 4e9)  # a worker that lives in 2096
    lease(database, first, "ana")

    assert lease(database, first, "ben") is None
    with database.read() as session:
        left = session.scalar(
            select(Batch.leased_until - Now()).where(Batch.run_id == 1, Batch.number == 1)
        )
    assert left == pytest.approx(LONG, abs=5)


def test_a_holder_prolongs_its_leases(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 5)
    until = stored(database, first).leased_until or 0

    renew(database, "ana", LONG)

    assert (stored(database, first).leased_until or 0) - until == pytest.approx(55, abs=5)


def test_nobody_prolongs_the_lease_of_another(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 5)
    until = stored(database, first).leased_until

    renew(database, "ben", LONG)

    assert stored(database, first).leased_until == until


def test_a_lease_that_ran_out_is_not_taken_back(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 0.01)
    becomes(lambda: sweep(database))

    renew(database, "ana", LONG)

    assert lease(database, first, "ben") == Lease(first, 2, None, 0)


def test_a_lease_that_was_given_back_is_free_at_once_and_not_prolonged(
    database: Database, first: BatchKey
) -> None:
    for attempt in range(1, 21):  # within one tick of SQLite's clock, a millisecond
        with database.write() as session:
            assert take_leases(session, first, "ana", LONG) == [Lease(first, attempt, None, 0)]
            release_leases(session, [first], "ana")
            renew_leases(session, "ana", LONG)


def test_nobody_gives_back_the_lease_of_another(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana")

    with database.write() as session:
        release_leases(session, [first], "ben")

    assert lease(database, first, "cem") is None


def test_a_batch_is_finished_only_when_each_image_has_its_prediction(
    database: Database, first: BatchKey
) -> None:
    lease(database, first, "ana")

    assert score(database, first, images=2) is False
    assert stored(database, first).finished_at is None
    assert score(database, first, images=1) is True
    assert stored(database, first).finished_at
    assert stored(database, first).leased_until is None


def test_a_finished_batch_is_held_by_nobody_again(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 0.01)
    score(database, first)
    finished_at = stored(database, first).finished_at

    assert lease(database, first, "ben") is None
    renew(database, "ana", LONG)
    with database.write() as session:
        release_leases(session, [first], "ana")
        assert finish_batch(session, first) is not None  # once more, by a worker that came late
    assert stored(database, first).finished_at == finished_at
    assert stored(database, first).leased_until is None


def test_only_images_without_a_prediction_are_pending(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    score(database, first, images=1)

    with database.read() as session:
        assert [row.path for row in pending_images(session, [first])] == ["1.jpg", "2.jpg"]
        assert [row.path for row in pending_images(session, [second])] == ["3.jpg", "4.jpg"]


def test_an_image_keeps_its_first_prediction(database: Database, first: BatchKey) -> None:
    with database.read() as session:
        images = [row.id for row in pending_images(session, [first])]
    score(database, first, 0.25, images=2)

    with database.write() as session:
        late = [Outcome(image, None, "corrupt", "late", None) for image in images]
        store_outcomes(session, "ben", late)

    with database.read() as session:
        rows = session.execute(
            select(Prediction.score, Prediction.error, Prediction.worker).order_by(
                Prediction.image_id
            )
        ).all()
    assert rows == [(0.25, None, "w"), (0.25, None, "w"), (None, "corrupt", "ben")]


def test_the_suspect_is_handed_to_the_next_holder(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 0.01)
    with database.write() as session:
        note_start(session, first, image_id=2, starts=1)

    assert becomes(lambda: lease(database, first, "ben")) == Lease(first, 2, 2, 1)


def test_a_sweep_takes_batches_whose_lease_ran_out_and_no_others(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    lease(database, first, "ana", 0.01)
    lease(database, second, "ben")

    assert becomes(lambda: sweep(database)) == [first]


def test_a_sweep_takes_a_batch_once(database: Database, first: BatchKey) -> None:
    lease(database, first, "ana", 0.01)
    assert becomes(lambda: sweep(database)) == [first]

    assert sweep(database) == []
    assert sweep(database, unstarted=True)[:1] != [first]


def test_a_message_that_a_sweep_sent_and_that_was_lost_is_sent_again(
    database: Database, first: BatchKey
) -> None:
    lease(database, first, "ana", 0.01)
    becomes(lambda: sweep(database))

    assert becomes(lambda: sweep(database, republish_seconds=0.05)) == [first]


def test_a_batch_that_was_sent_again_is_not_sent_every_round_while_others_wait(
    database: Database, first: BatchKey
) -> None:
    def sent(seconds_ago: float) -> None:
        with database.write() as session:
            times = {"leased_until": Now() - 600, "published_at": Now() - seconds_ago}
            session.execute(update(Batch).values(times))

    sent(seconds_ago=40)
    assert sweep(database, republish_seconds=30) == []
    assert first in sweep(database, republish_seconds=30, unstarted=True)
    sent(seconds_ago=310)
    assert first in sweep(database, republish_seconds=30)


def test_a_batch_that_was_taken_again_and_lost_again_is_swept_at_once(
    database: Database, first: BatchKey
) -> None:
    lease(database, first, "ana", 0.01)
    becomes(lambda: sweep(database))
    assert becomes(lambda: lease(database, first, "ben", 0.05))

    assert becomes(lambda: sweep(database)) == [first]


def test_a_sweep_takes_batches_that_nobody_started_only_where_the_queue_is_empty(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    assert sweep(database, unstarted=False) == []

    assert sweep(database, unstarted=True) == [first, second]
    assert sweep(database, unstarted=True) == []  # just sent

    swept: set[BatchKey] = set()

    def sweeps_both() -> bool:
        swept.update(sweep(database, 0.05, unstarted=True))
        return swept == {first, second}

    assert becomes(sweeps_both)


def test_a_sweep_leaves_finished_batches_alone(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    score(database, first)

    assert sweep(database, unstarted=True) == [second]


def test_a_sweep_takes_no_more_than_its_limit(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    assert sweep(database, unstarted=True, limit=1) == [first]
    assert sweep(database, unstarted=True, limit=1) == [second]


def test_two_sweeps_at_once_take_different_batches(
    database: Database, first: BatchKey, second: BatchKey
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            taken = claim_expired(session, LONG, unstarted=True, limit=1)
            taken_too = pool.submit(sweep, database, unstarted=True)
            if database.engine.dialect.name != "sqlite":  # which has one writer at a time
                taken_too.result(PATIENCE)
        assert (taken, taken_too.result(PATIENCE)) == ([first], [second])


def test_what_is_owed_is_counted(database: Database, first: BatchKey, second: BatchKey) -> None:
    def owed() -> Unfinished:
        with database.read() as session:
            return count_unfinished(session)

    assert owed() == Unfinished(unfinished=2, leased=0)
    lease(database, first, "ana")
    lease(database, second, "ben", 0.01)
    assert becomes(lambda: owed() if owed().leased == 1 else None) == Unfinished(2, 1)
    score(database, first)
    assert owed() == Unfinished(1, 0)
    score(database, second)
    assert owed() == Unfinished(0, 0)


def test_the_checkpoints_of_unfinished_batches_are_owed(database: Database) -> None:
    runs = [store_run(database, images=1, digest=letter * 64) for letter in "abb"]
    score(database, BatchKey(runs[0], 1))
    score(database, BatchKey(runs[1], 1))

    with database.read() as session:
        assert unfinished_checkpoints(session) == [("b" * 64, "float32")]


class Step(NamedTuple):
    """What one of three workers does to one of three batches."""

    action: str
    worker: int
    batch: int
    images: int


ACTIONS = ["take", "score", "finish", "die", "renew", "release", "sweep"]
STEPS = st.builds(
    Step,
    st.sampled_from(ACTIONS),
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(0, 3),
)


class Workers:
    """Three careless workers: they may die, come late, and be sent a batch any number of times."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._read: dict[tuple[int, int], list[int]] = {}  # (worker, batch) to images to score

    def do(self, step: Step) -> None:
        getattr(self, step.action)(step)

    def take(self, step: Step) -> None:
        with self._database.write() as session:
            if take_leases(session, self._key(step), f"w{step.worker}", LONG):
                pending = pending_images(session, [self._key(step)])
                self._read[step.worker, step.batch] = [row.id for row in pending]

    def score(self, step: Step) -> None:
        """Also by one whose lease ran out long ago; the score tells who gave it."""
        images = self._read.get((step.worker, step.batch), [])[: step.images]
        with self._database.write() as session:
            value = (step.worker + 1) / 4
            outcomes = [Outcome(image, value, None, None, None) for image in images]
            store_outcomes(session, f"w{step.worker}", outcomes)

    def finish(self, step: Step) -> None:
        with self._database.write() as session:
            finish_batch(session, self._key(step))

    def die(self, step: Step) -> None:
        """All that this worker holds runs out."""
        with self._database.write() as session:
            session.execute(
                update(Batch)
                .where(Batch.worker == f"w{step.worker}", Batch.leased_until > Now())
                .values(leased_until=Now() - 1)
            )

    def renew(self, step: Step) -> None:
        with self._database.write() as session:
            renew_leases(session, f"w{step.worker}", LONG)

    def release(self, step: Step) -> None:
        with self._database.write() as session:
            release_leases(session, [self._key(step)], f"w{step.worker}")

    def sweep(self, _step: Step) -> None:
        with self._database.write() as session:
            keys = claim_expired(session, LONG, unstarted=False)
            assert all(session.get_one(Batch, key).finished_at is None for key in keys)

    def _key(self, step: Step) -> BatchKey:
        return BatchKey(self._run_id, step.batch)


def predictions(database: Database) -> dict[int, tuple[float | None, str]]:
    with database.read() as session:
        rows = session.execute(select(Prediction.image_id, Prediction.score, Prediction.worker))
        return {row.image_id: (row.score, row.worker) for row in rows}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite ledger with a run of three batches, of 3, 3 and 2 images."""
    file = tmp_path_factory.mktemp("listed") / "ledger.db"
    with closing(open_database(f"sqlite:///{file}")) as database:
        store_run(database, images=8)
    return file


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=40))
def test_whatever_workers_do_each_image_ends_with_the_prediction_it_got_first(
    listed: Path, steps: list[Step]
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_database(f"sqlite:///{shutil.copy(listed, folder)}")) as database,
    ):
        run_id = 1
        workers = Workers(database, run_id)
        seen: dict[int, tuple[float | None, str]] = {}
        for step in steps:
            workers.do(step)
            now = predictions(database)
            assert now.items() >= seen.items()  # none lost, none changed
            seen = now

        # All workers but one die; the sweep, and the queue once it is empty, bring it the rest.
        for worker in range(3):
            workers.die(Step("die", worker, 0, 0))
        for key in {*sweep(database), *sweep(database, 0, unstarted=True)}:
            assert lease(database, key, "last")
            assert score(database, key)

        assert predictions(database).items() >= seen.items()
        assert len(predictions(database)) == 8
        with database.read() as session:
            assert count_unfinished(session) == Unfinished(0, 0)
            assert session.scalar(select(func.count(Batch.finished_at))) == 3
