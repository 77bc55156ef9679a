"""Workers that take, renew, finish and sweep the same pairs of batches at once, on PostgreSQL."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from base.listed_image import ListedImage
from db.clock import Now
from db.queries.leases import BatchKey, renew_leases
from db.queries.listing import claim_unleased, cut_batches, stage_images
from db.queries.outcomes import Seconds
from db.queries.runs import RunSpec, add_checkpoint, group_runs
from db.queries.unfinished import claim_expired
from db.session import Database, open_database
from db.tables import Batch, Image, Prediction, Run
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores

BATCHES = 30
IMAGES = 4  # of a batch
WORKERS = 6
SECONDS = 600  # after which a thread counts as stuck


class RunEngine:
    """Scores an image by its file's name, and by its run: a mix-up of either would show."""

    device = "nothing"

    def __init__(self, before_score: Callable[[], object] = lambda: None) -> None:
        self._before_score = before_score

    def prepare(self, spec: RunSpec) -> None:
        """All is at hand."""

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], _known: KnownDigests
    ) -> BatchScores:
        self._before_score()
        return BatchScores(
            [RunScores(dict(enumerate(wanted(run.run_id, paths))), {}, {}, {}) for run in runs],
            Seconds(),
        )

    def failure(self, digest: str, _precision: str) -> None:
        raise NotImplementedError(digest)

    def close(self) -> None:
        raise NotImplementedError


def wanted(run_id: int, paths: Sequence[str]) -> list[float]:
    return [int(path) / 1000 + run_id / 10 for path in paths]


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[Database]:
    opened = open_database(postgres_url)
    yield opened
    opened.close()


def enlist(database: Database, names: Sequence[int], digest: str) -> int:
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest * 64, "model.keras", {})
        run = Run(
            source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=IMAGES
        )
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(str(name), None, None) for name in names])
        cut_batches(session, run.id)
        return run.id


def two_runs(database: Database, names: Sequence[int]) -> list[int]:
    """Together; the second lists the same images the other way round."""
    runs = [enlist(database, names, "a"), enlist(database, names[::-1], "b")]
    with database.write() as session:
        group_runs(session, runs)
    return runs


def lapse(database: Database, key: BatchKey) -> None:
    """Let its lease have run out, if it has one."""
    with database.write() as session:
        session.execute(
            update(Batch)
            .where(Batch.run_id == key.run_id, Batch.number == key.number)
            .where(Batch.leased_until.is_not(None))
            .values(leased_until=Now() - 1)
        )


def test_finishing_waits_for_the_row_before_it_stores(ledger: Database) -> None:
    """A worker that stored first and then wanted the row would deadlock with one that holds it."""
    run = enlist(ledger, [1], "a")
    with ThreadPoolExecutor(1) as pool:
        with ledger.write() as session:
            late = BatchProcessor(ledger, RunEngine(lambda: hold(session, run)), "late")
            done = pool.submit(late.score, BatchKey(run, 1))
            await_a_lock(ledger)
            image = session.scalar(select(Image.id).where(Image.run_id == run))
            # With its prediction stored already, this would wait for it, and it for us.
            session.add(Prediction(image_id=image, score=0.5, worker="holder"))
        done.result(SECONDS)

    with ledger.read() as reader:
        assert list(reader.scalars(select(Prediction.worker))) == ["holder"]
        assert reader.scalar(select(Batch.finished_at)) is not None


def hold(session: Session, run: int) -> None:
    """Lock the row of the run's only batch."""
    session.execute(select(Batch.number).where(Batch.run_id == run).with_for_update())


def await_a_lock(database: Database) -> None:
    """Until somebody in this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    pause = threading.Event()
    for _ in range(SECONDS * 50):
        with database.read() as session:
            if session.scalar(waiting):
                return
        pause.wait(0.02)
    raise AssertionError("nobody ever waited")


def test_many_workers_on_the_same_pairs_neither_deadlock_nor_lose_nor_double(
    ledger: Database,
) -> None:
    names = list(range(BATCHES * IMAGES))
    runs = two_runs(ledger, names)
    keys = [BatchKey(run, number) for run in runs for number in range(1, BATCHES + 1)]

    with ThreadPoolExecutor(WORKERS + 4) as pool, disturbed(ledger, keys, pool):
        workers = [pool.submit(score_in_own_order, ledger, keys, seed) for seed in range(WORKERS)]
        for one in workers:
            one.result(SECONDS)
    last = BatchProcessor(ledger, RunEngine(), "last")
    for key in keys:  # what was skipped while another changed its row
        lapse(ledger, key)
        last.score(key)

    assert_scored(ledger, dict.fromkeys(runs, names))


def score_in_own_order(database: Database, keys: list[BatchKey], seed: int) -> None:
    """What a worker does, while leases lapse under it all the time."""
    scoring = BatchProcessor(database, RunEngine(), f"worker {seed}")
    for key in random.Random(seed).sample(keys, len(keys)):
        scoring.score(key)


@contextmanager
def disturbed(database: Database, keys: list[BatchKey], pool: ThreadPoolExecutor) -> Iterator[None]:
    """Everything that upkeep and producers write, over and over until the body ends."""
    ended = threading.Event()

    def over_and_over(change: Callable[[Database, list[BatchKey]], object]) -> int:
        rounds = 0
        while not ended.is_set():
            change(database, keys)
            rounds += 1
        return rounds

    others = [pool.submit(over_and_over, one) for one in (renew_all, sweep, claim, lapse_one)]
    try:
        yield
    finally:
        ended.set()
    assert all(one.result(SECONDS) for one in others)


def renew_all(database: Database, _keys: list[BatchKey]) -> None:
    for seed in range(WORKERS):
        with database.write() as session:
            renew_leases(session, f"worker {seed}", 30)


def sweep(database: Database, _keys: list[BatchKey]) -> None:
    with database.write() as session:
        claim_expired(session, 0, unstarted=True)


def claim(database: Database, keys: list[BatchKey]) -> None:
    for run in {key.run_id for key in keys}:
        with database.write() as session:
            claim_unleased(session, run)


def lapse_one(database: Database, keys: list[BatchKey]) -> None:
    lapse(database, random.choice(keys))


def assert_scored(database: Database, runs: dict[int, list[int]]) -> None:
    """Every image of each run has its one prediction, and it is its own."""
    with database.read() as session:
        assert session.scalar(select(func.count()).where(Batch.finished_at.is_(None))) == 0
        rows = session.execute(
            select(Image.run_id, Image.path, Prediction.score).join(
                Prediction, Prediction.image_id == Image.id
            )
        ).all()
    assert len(rows) == sum(map(len, runs.values()))
    assert {(row.run_id, row.path): row.score for row in rows} == {
        (run, str(name)): wanted(run, [str(name)])[0]
        for run, names in runs.items()
        for name in names
    }
