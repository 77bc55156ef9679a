"""The life of a batch in a worker: lease, score, store, finish."""

import logging
import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy.orm import Session

from base.console.foreign import shown
from base.read_write_lock import ReadWriteLock
from db.queries.ledger import (
    BatchKey,
    Lease,
    PendingImage,
    pending_images,
    release_leases,
    return_untried,
    still_held,
    take_leases,
)
from db.queries.outcomes import (
    Outcome,
    Seconds,
    finish_batch,
    known_digests,
    lock_batches,
    note_start,
    store_outcomes,
)
from db.queries.refusals import Wanted, note_refusal, why_not_loaded, why_stopped
from db.queries.runs import RunSpec, needs_of
from db.session import Database
from db.throughput import Finished
from model.errors import CheckpointError
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.observability import metrics, tracing
from worker.scoring.batch_scores import Engine, WrongModelError
from worker.scoring.refusing import Refusals, wanted_by
from worker.scoring.work import Work, by_path, died, line_of, name_of, outcomes_of

log = logging.getLogger(__name__)

# An image during whose scoring this many processes died is the likely cause.
MAX_STARTS = 3


class LeaseLostError(Exception):
    """This worker came to a standstill: another has taken the batch over, or its run is deleted."""


class BatchProcessor:
    """Scores batches of the ledger under one worker's name."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        worker: str,
        activity: ActivityTracker | None = None,
        retry: DatabaseRetry | None = None,
    ) -> None:
        self._database = database
        self._engine = engine
        self._worker = worker
        self._activity = activity or ActivityTracker()
        self._retry = retry or DatabaseRetry(self._activity)
        self.refusals = Refusals(database, worker, self._retry)
        # Runs of which this worker finished a batch.
        self.runs: set[int] = set()
        # Batches share it, a single image holds it alone: others that were begun beside one that
        # may kill the process would be taken for the cause as well.
        self._process_lock = ReadWriteLock()
        self._needs: dict[int, RunSpec] = {}
        self._stopped: set[int] = set()
        self._loaded: set[Wanted] = set()

    def score(self, key: BatchKey) -> None:
        """Bring a batch to its end, and with it the same batch of runs enqueued together with it.

        What is finished or held by another is left alone.

        Raises:
            CheckpointError: the run's checkpoint cannot be had; nothing was leased.
        """
        with self._activity.track(name_of([key])):
            self._prepare(key.run_id)
            leases, pending = self._retry.call(partial(self._take, key))
        if not leases:
            log.debug("run %d batch %d: finished, or held by another worker", *key)
            return
        batches = [lease.batch for lease in leases]
        with self._activity.hold_leases(batches):
            try:
                self._score_prepared(leases, pending)
            except LeaseLostError:
                log.warning("%s: another worker took it over, or it was deleted", name_of(batches))
                self._release(batches)
            except BaseException:
                self._release(batches)
                raise

    def _take(self, key: BatchKey) -> tuple[list[Lease], list[PendingImage]]:
        with self._database.write() as session:
            taken = take_leases(session, key, self._worker, timing.LEASE_SECONDS)
            stopped = why_stopped(session, [lease.batch.run_id for lease in taken])
            if stopped:
                back = [lease.batch for lease in taken if lease.batch.run_id in stopped]
                return_untried(session, back, self._worker)
            leases = [lease for lease in taken if lease.batch.run_id not in stopped]
            pending = pending_images(session, [lease.batch for lease in leases])
        self._tell_stopped(stopped)
        return leases, pending

    def _tell_stopped(self, stopped: dict[int, str]) -> None:
        """Once for each run: thousands of its messages may still be in the queue."""
        for run_id, reason in stopped.items():
            if run_id not in self._stopped:
                self._stopped.add(run_id)
                log.error("run %d was stopped: %s", run_id, reason)

    def _release(self, batches: list[BatchKey]) -> None:
        with self._database.write() as session:
            release_leases(session, batches, self._worker)

    def _score_prepared(self, leases: list[Lease], pending: list[PendingImage]) -> None:
        with self._activity.track(name_of([lease.batch for lease in leases])):
            prepared = [lease for lease in leases if self._prepared(lease)]
        runs = {lease.batch.run_id for lease in prepared}
        if prepared:
            self._score_leased(prepared, [image for image in pending if image.run_id in runs])

    def _needs_of(self, run_id: int) -> RunSpec:
        if run_id not in self._needs:
            self._needs[run_id] = self._retry.call(partial(self._read_spec, run_id))
        return self._needs[run_id]

    def _read_spec(self, run_id: int) -> RunSpec:
        with self._database.read() as session:
            return needs_of(session, run_id)

    def _prepare(self, run_id: int) -> None:
        """Have what a run needs, or write down that it is refused here.

        Raises:
            CheckpointError: why.
        """
        self.prepare(self._needs_of(run_id))

    def prepare(self, needs: RunSpec) -> None:
        """Have what these needs name, or write down that it is refused here.

        Raises:
            CheckpointError: why.
        """
        try:
            if wanted_by(needs) not in self._loaded:
                self._retry.call(partial(self._refuse_endless, needs))
            with self._activity.loading(wanted_by(needs)):
                self._engine.prepare(needs)
        except CheckpointError as error:
            self.refusals.note(needs, error)
            raise
        self._loaded.add(wanted_by(needs))
        self.refusals.clear(needs)

    def _refuse_endless(self, needs: RunSpec) -> None:
        """Do not begin what never ended in others."""
        with self._database.read() as session:
            reason = why_not_loaded(session, wanted_by(needs))
        if reason is not None:
            raise CheckpointError(f"{needs.path} was stopped: {reason}")

    def _prepared(self, lease: Lease) -> bool:
        """Whether the lease's run can be scored here; if not, its batch goes back untried."""
        try:
            self._prepare(lease.batch.run_id)
        except CheckpointError as error:
            log.error("run %d batch %d: %s", *lease.batch, error.message)  # noqa: TRY400 - a full sentence
            with self._database.write() as session:
                return_untried(session, [lease.batch], self._worker)
            return False
        return True

    def _score_leased(self, leases: list[Lease], pending: list[PendingImage]) -> None:
        work = by_path(pending)
        first = all(lease.attempts == 1 for lease in leases)
        try:
            with self._process_lock.shared() if first else self._process_lock.exclusive():
                if first:
                    self._score_whole(leases, work)
                else:
                    self._score_one_by_one(leases, work)
        except WrongModelError as wrong:
            self._retry.call(partial(self._stop, leases, wrong))
            # Those that were enqueued together with it have their scores all the same.
            others = [lease for lease in leases if lease.batch.run_id not in wrong.found]
            runs = {lease.batch.run_id for lease in others}
            if others:
                self._score_leased(others, [image for image in pending if image.run_id in runs])

    def _stop(self, leases: list[Lease], wrong: WrongModelError) -> None:
        """Stop runs whose model gave what is no score: nothing of these batches is stored."""
        stopped = {}
        with self._database.write() as session:
            for run_id, (score, path) in wrong.found.items():
                needs = self._needs_of(run_id)
                stopped[run_id] = (
                    f"{needs.path} gave {score:.8g} for {shown(path)}, and a score is in [0, 1]: "
                    "what this model gives are no probabilities"
                )
                note_refusal(session, self._worker, wanted_by(needs), stopped[run_id], stops=True)
            back = [lease.batch for lease in leases if lease.batch.run_id in stopped]
            return_untried(session, back, self._worker)
        self._tell_stopped(stopped)

    def _score_whole(self, leases: list[Lease], work: list[Work]) -> None:
        batches = [lease.batch for lease in leases]
        with self._activity.track(name_of(batches), len(work)):
            outcomes, seconds = self._outcomes(work)
            self._retry.call(partial(self._finish, batches, work, outcomes, seconds))

    def _score_one_by_one(self, leases: list[Lease], work: list[Work]) -> None:
        """Score and commit image by image, so that one that kills the process costs only itself."""
        batches = [lease.batch for lease in leases]
        attempt = max(lease.attempts for lease in leases)
        log.warning(
            "%s: attempt %d, its %d images go one by one", name_of(batches), attempt, len(work)
        )
        outcomes: list[Outcome] = []
        seconds = Seconds()
        stored = 0
        for one in work:
            with self._activity.track(f"{name_of(batches)}, {shown(one.path)}"):
                wrote = time.perf_counter()
                starts = self._retry.call(partial(self._note, leases, one, outcomes[stored:]))
                seconds = seconds.plus(Seconds(write=time.perf_counter() - wrote))
                stored = len(outcomes)
                if starts > MAX_STARTS:
                    outcomes += died(one, starts - 1)
                    continue
                own, taken = self._outcomes([one])
            outcomes += own
            seconds = seconds.plus(taken)
        with self._activity.track(name_of(batches)):
            self._retry.call(partial(self._finish, batches, work, outcomes, seconds))

    def _note(self, leases: list[Lease], work: Work, before: list[Outcome]) -> int:
        """Commit what came of the image before, and that this one is begun; returns how often.

        One beyond MAX_STARTS is not begun any more, and not written down.

        Raises:
            LeaseLostError: the batch is another worker's by now.
        """
        ids = {image.id for image in work.images}
        starts = 1 + max(lease.suspect_starts if lease.suspect_id in ids else 0 for lease in leases)
        batches = {lease.batch.run_id: lease.batch for lease in leases}
        with self._database.write() as session:
            # Its row before its predictions, as in `lock_batches`.
            if not still_held(session, list(batches.values()), self._worker):
                raise LeaseLostError
            store_outcomes(session, self._worker, before)
            if starts <= MAX_STARTS:
                for image in work.images:
                    note_start(session, batches[image.run_id], image.id, starts)
        return starts

    def _finish(
        self,
        batches: list[BatchKey],
        work: list[Work],
        outcomes: list[Outcome],
        seconds: Seconds,
    ) -> None:
        """Store what is not yet stored, and mark the batches finished, in one transaction."""
        wrote = time.perf_counter()
        with self._database.write() as session:
            _require(session, batches)
            store_outcomes(session, self._worker, outcomes)
            stored = seconds.plus(Seconds(write=time.perf_counter() - wrote))
            ended = [finish_batch(session, batch, stored) for batch in batches]
        seconds = seconds.plus(Seconds(write=time.perf_counter() - wrote))
        self.runs.update(batch.run_id for batch in batches)
        errors = sum(outcome.error is not None for outcome in outcomes)
        needs = [self._needs_of(batch.run_id) for batch in batches]
        # None where `producer retry` took back an image of it meanwhile.
        finished = None if ended[0] is None else Finished(ended[0], sum(stored), len(work))
        rate = metrics.batches_ended(needs, outcomes, seconds, finished)
        tracing.stages(seconds)
        log.info("%s", line_of(batches, len(work), errors, seconds, rate))

    def _outcomes(self, work: list[Work]) -> tuple[list[Outcome], Seconds]:
        """One outcome for each image, whatever its bytes hold.

        Raises:
            WrongModelError: a model gave what is no score.
        """
        if not work:
            return [], Seconds()
        runs = sorted({image.run_id for one in work for image in one.images})
        needs = [self._needs_of(run) for run in runs]
        scored = self._engine.score(
            needs,
            [one.path for one in work],
            lambda paths: self._retry.call(partial(self._known, needs[0], paths)),
        )
        return outcomes_of(work, runs, scored), scored.seconds

    def _known(self, needs: RunSpec, paths: Sequence[str]) -> dict[str, str]:
        with self._database.read() as session:
            return known_digests(session, needs.source, paths)


def _require(session: Session, batches: list[BatchKey]) -> None:
    """Hold the batches' rows; of a run that was deleted there are none to hold.

    Raises:
        LeaseLostError: a batch is gone.
    """
    if not lock_batches(session, batches):
        raise LeaseLostError
