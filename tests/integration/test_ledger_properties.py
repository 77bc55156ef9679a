"""Any interleaving of what producers, workers and sweeps do to a ledger ends with its invariants.

The steps are the real functions of `db`, in the transactions that producer and worker put them in;
hypothesis chooses their order. Time passes only where a step says so: it moves leases into the
past. One image kills the worker that scores it, and some are sick until they are repaired.
`PROPERTY_EXAMPLES` asks for more examples than the test command has time for.
"""

import os
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from base.listed_image import ListedImage
from db.queries.following import prune_images
from db.queries.leases import (
    BatchKey,
    Lease,
    PendingImage,
    pending_images,
    release_leases,
    renew_leases,
    return_untried,
    take_leases,
)
from db.queries.listing import claim_unleased, cut_batches, lock_run, stage_images
from db.queries.outcomes import Outcome, finish_batch, lock_batches, note_start, store_outcomes
from db.queries.retry import clear_errors
from db.queries.runs import add_checkpoint, group_runs
from db.queries.unfinished import claim_expired, count_unfinished
from db.session import Database
from db.tables import Image, Run
from worker.scoring.batch_ledger import MAX_STARTS

BATCH_SIZE = 3
WORKERS = ("ana", "ben", "eva")
LEASE_SECONDS = 30.0
REPUBLISH_SECONDS = 30.0
LATER = 1000.0  # seconds: every lease and every publication is long past
TABLES = ("predictions", "changes", "batches", "images", "runs", "checkpoints")
# Each is an error, and not its score, until it is repaired.
SICK_EVERY = 5
KILLER = "4"
EXAMPLES = {"sqlite": 25, "postgresql": 6}
STEPS = 40


class Hold(NamedTuple):
    """What a worker has: leases, the images it read, and how many of those it has stored."""

    leases: list[Lease]
    images: list[PendingImage]
    stored: int = 0


class LedgerMachine(RuleBasedStateMachine):
    """One or two runs together, three workers, a queue that loses and doubles messages."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.listed = 0
        self.pruned: set[str] = set()
        self.queue: list[BatchKey] = []
        self.holds: dict[str, Hold] = {}
        self.repaired = False
        self.starts: Counter[int] = Counter()
        with database.write() as session:
            for table in TABLES:
                session.execute(text(f"DELETE FROM {table}"))

    @initialize(runs=st.integers(1, 2))
    def begin(self, runs: int) -> None:
        with self.database.write() as session:
            self.runs = []
            for at in range(runs):
                checkpoint = add_checkpoint(session, f"{at}" * 64, "model.keras", {})
                run = Run(
                    source="images",
                    checkpoint_id=checkpoint.id,
                    precision="float32",
                    batch_size=BATCH_SIZE,
                )
                session.add(run)
                session.flush()
                self.runs.append(run.id)
            group_runs(session, self.runs)
        self.enqueue_more(2 * BATCH_SIZE + 1)

    def own_score(self, run_id: int, path: str) -> float:
        """No two images, and no two runs, have the same."""
        return (int(path) + 1) / 1000 + self.runs.index(run_id) / 2

    def outcome(self, image: PendingImage) -> Outcome:
        if int(image.path) % SICK_EVERY == 0 and not self.repaired:
            return Outcome(image.id, None, "missing", "it is sick", None)
        score = self.own_score(image.run_id, image.path)
        return Outcome(image.id, score, None, None, image.path)

    # The producer

    @rule(images=st.integers(1, 4), killed=st.booleans())
    @precondition(lambda self: self.listed < 4 * BATCH_SIZE)
    def enqueue(self, images: int, killed: bool) -> None:
        """A producer that is killed leaves images staged for the next."""
        self.enqueue_more(images, killed=killed)

    def enqueue_more(self, images: int, *, killed: bool = False) -> None:
        names = range(self.listed, self.listed + images)
        self.listed += images
        for run_id in self.runs:
            with self.database.write() as session:
                run = lock_run(session, run_id)
                stage_images(session, run, [ListedImage(str(name), None, None) for name in names])
        if not killed:
            self.cut()
            self.publish()

    def cut(self) -> None:
        for run_id in self.runs:
            with self.database.write() as session:
                lock_run(session, run_id)
                cut_batches(session, run_id)

    def publish(self) -> None:
        for run_id in self.runs:
            with self.database.write() as session:
                self.queue += [
                    BatchKey(run_id, number) for number in claim_unleased(session, run_id)
                ]

    @rule(data=st.data())
    def a_person_interferes(self, data: st.DataObject) -> None:
        """With `producer resume`, `producer retry`, the images themselves, or the broker."""
        chosen = (self.publish, self.retry, self.mend, self.queue.clear, self.forge)
        data.draw(st.sampled_from(chosen))()

    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        """Images are gone from the source, whoever holds their batches."""
        there = sorted({str(name) for name in range(self.listed)} - self.pruned)
        gone = data.draw(st.sets(st.sampled_from(there), max_size=2)) if there else set[str]()
        self.pruned |= gone
        for run_id in self.runs:
            with self.database.write() as session:
                lock_run(session, run_id)
                cut_batches(session, run_id)
                of_run = select(Image.id).where(Image.run_id == run_id, Image.path.in_(gone))
                prune_images(session, run_id, session.scalars(of_run).all())
        self.publish()

    def retry(self) -> None:
        with self.database.write() as session:
            clear_errors(session, self.runs[-1], ["missing", "worker_died"])
        self.publish()

    def mend(self) -> None:
        self.repaired = True

    def forge(self) -> None:
        """Messages of batches that are not there."""
        for key in (BatchKey(10**6, 1), BatchKey(self.runs[0], 10**6), BatchKey(0, 0)):
            for worker in self.idle():
                self.take(worker, key)

    # A worker

    def idle(self) -> list[str]:
        return [worker for worker in WORKERS if worker not in self.holds]

    @rule(data=st.data(), again=st.booleans())
    @precondition(lambda self: self.queue and self.idle())
    def deliver(self, data: st.DataObject, again: bool) -> None:
        """A worker takes a message, which may come again."""
        at = data.draw(st.integers(0, len(self.queue) - 1))
        key = self.queue[at] if again else self.queue.pop(at)
        self.take(data.draw(st.sampled_from(self.idle())), key)

    def take(self, worker: str, key: BatchKey) -> None:
        with self.database.write() as session:
            leases = take_leases(session, key, worker, LEASE_SECONDS)
            images = pending_images(session, [lease.batch for lease in leases])
        if leases:
            self.holds[worker] = Hold(leases, images)

    @rule(data=st.data())
    @precondition(lambda self: self.holds and self.idle())
    def another_takes_over(self, data: st.DataObject) -> None:
        """A worker is too slow to renew its lease, and goes on all the same."""
        key = self.holds[self.held(data)].leases[0].batch
        self.time_passes(swept=True)
        self.take(self.idle()[0], key)

    def held(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.holds)))

    @rule(data=st.data())
    @precondition(lambda self: self.holds)
    def finish(self, data: st.DataObject) -> None:
        """Also by a worker whose lease has long run out."""
        self.finish_as(self.held(data))

    def finish_as(self, worker: str) -> None:
        hold = self.holds.pop(worker)
        rest = hold.images[hold.stored :]
        if KILLER in [image.path for image in rest]:
            return
        batches = [lease.batch for lease in hold.leases]
        with self.database.write() as session:
            if not lock_batches(session, batches):
                return
            store_outcomes(session, worker, [self.outcome(image) for image in rest])
            for batch in batches:
                finish_batch(session, batch)

    @rule(data=st.data(), dies=st.sampled_from([False, False, False, True]))
    @precondition(lambda self: self.holds)
    def store_one(self, data: st.DataObject, dies: bool) -> None:
        self.store_one_as(self.held(data), dies=dies)

    def store_one_as(self, worker: str, *, dies: bool) -> None:
        """Image by image: written down before, committed after, or dead in between."""
        hold = self.holds[worker]
        if hold.stored == len(hold.images):
            return
        image = hold.images[hold.stored]
        lease = next(one for one in hold.leases if one.batch.run_id == image.run_id)
        begun = lease.suspect_starts if lease.suspect_id == image.id else 0
        outcome = self.outcome(image)
        if begun >= MAX_STARTS:
            outcome = Outcome(image.id, None, "worker_died", "begun too often", None)
        else:
            with self.database.write() as session:
                if not lock_batches(session, [lease.batch]):
                    del self.holds[worker]
                    return
                note_start(session, lease.batch, image.id, begun + 1)
            self.starts[image.id] += 1
            dies = dies or image.path == KILLER
        if dies:
            del self.holds[worker]
            return
        with self.database.write() as session:
            if not lock_batches(session, [lease.batch]):
                del self.holds[worker]
                return
            store_outcomes(session, worker, [outcome])
        self.holds[worker] = hold._replace(stored=hold.stored + 1)

    def store_all_as(self, worker: str) -> None:
        """One by one, until it has stored all or has died."""
        for _ in range(len(self.holds[worker].images)):
            if worker in self.holds:
                self.store_one_as(worker, dies=False)

    @rule(data=st.data())
    @precondition(lambda self: self.holds)
    def errors_are_cleared_under_a_worker(self, data: st.DataObject) -> None:
        """It has stored every image, and `producer retry` takes some away before it finishes."""
        worker = self.held(data)
        self.store_all_as(worker)
        self.retry()
        if worker in self.holds:
            self.finish_as(worker)

    @rule(data=st.data(), how=st.sampled_from(["dies", "is stopped", "has no checkpoint"]))
    @precondition(lambda self: self.holds)
    def end(self, data: st.DataObject, how: str) -> None:
        worker = self.held(data)
        batches = [lease.batch for lease in self.holds.pop(worker).leases]
        with self.database.write() as session:
            if how == "is stopped":
                release_leases(session, batches, worker)
            elif how == "has no checkpoint":
                return_untried(session, batches, worker)

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker: str) -> None:
        with self.database.write() as session:
            renew_leases(session, worker, LEASE_SECONDS)

    @rule()
    def sweep(self) -> None:
        with self.database.write() as session:
            self.queue += claim_expired(session, REPUBLISH_SECONDS, unstarted=not self.queue)

    @rule(swept=st.booleans())
    def time_passes(self, swept: bool) -> None:
        with self.database.write() as session:
            for column in ("leased_until", "published_at"):
                session.execute(text(f"UPDATE batches SET {column} = {column} - {LATER}"))
        if swept:
            self.sweep()

    # What must hold

    def rows(self, query: str) -> list[Any]:
        with self.database.read() as session:
            return [tuple(row) for row in session.execute(text(query))]

    @invariant()
    def predictions_are_right(self) -> None:
        for run_id, image, path, score, error in self.rows(
            "SELECT run_id, images.id, path, score, error FROM predictions "
            "JOIN images ON images.id = image_id"
        ):
            assert (score is None) != (error is None)
            if error is None:
                assert score == self.own_score(run_id, path), "another's score"
            elif error == "worker_died":
                assert self.starts[image] >= MAX_STARTS
            else:
                assert error == "missing"
                assert int(path) % SICK_EVERY == 0

    @invariant()
    def finished_batches_are_whole(self) -> None:
        assert not self.rows(
            "SELECT path FROM images JOIN batches ON batches.run_id = images.run_id "
            "AND number = batch LEFT JOIN predictions ON image_id = images.id "
            "WHERE finished_at IS NOT NULL AND image_id IS NULL"
        )

    def score_last(self, key: BatchKey) -> None:
        """As a worker does it: all at once, or one by one where it was tried before."""
        self.take("last", key)
        if "last" in self.holds and any(lease.attempts > 1 for lease in self.holds["last"].leases):
            self.store_all_as("last")
        if "last" in self.holds:
            self.finish_as("last")

    def teardown(self) -> None:
        """Every worker dies; one that is started then brings all runs to their end."""
        self.cut()
        self.holds.clear()
        self.queue.clear()
        for _ in range(2 * MAX_STARTS * len(self.runs) + 2):
            self.time_passes(swept=True)
            for key in self.queue:
                self.score_last(key)
            self.queue.clear()
            with self.database.read() as session:
                if not count_unfinished(session).unfinished:
                    break
        self.predictions_are_right()
        self.finished_batches_are_whole()
        names = {str(name) for name in range(self.listed)} - self.pruned
        wanted = sorted((run, name) for run in self.runs for name in names)
        scored = self.rows(
            "SELECT run_id, path FROM predictions JOIN images ON images.id = image_id"
        )
        assert sorted(scored) == wanted, "each image has one prediction, and there is none over"
        assert not self.rows("SELECT number FROM batches WHERE finished_at IS NULL")


def test_any_interleaving_ends_with_one_prediction_for_each_image(database: Database) -> None:
    examples = int(os.environ.get("PROPERTY_EXAMPLES", EXAMPLES[database.engine.dialect.name]))

    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(database)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="PROPERTY_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
