"""What a worker reads and writes about its batches, each in one transaction.

The watchdog sees each call, and a call waits for a database that is away. Giving back is an
exception: it is neither watched nor repeated, because a lease expires by itself.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

from db.queries.leases import (
    BatchKey,
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
from db.queries.refusals import Wanted, clear_refusal, note_refusal, why_not_loaded, why_stopped
from db.queries.runs import RunSpec, get_run_spec
from db.session import Database
from db.throughput import Finished
from model.errors import CheckpointError
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.scoring.batch_scores import WrongModelError
from worker.scoring.file_work import FileWork, Leased

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

# If this many processes died while they scored an image, the image is the likely cause.
MAX_STARTS = 3


class LeaseLostError(Exception):
    """This worker stood still for too long: another took the batch over, or its run was deleted."""


def _steady(
    method: Callable[Concatenate["BatchLedger", P], T],
) -> Callable[Concatenate["BatchLedger", P], T]:
    """Let the watchdog see a call, and repeat it until the database answers."""

    @wraps(method)
    def call(self: "BatchLedger", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.activity.track(f"{method.__name__} in the ledger"):
            return self.retry.call(partial(method, self, *args, **kwargs))

    return call


class BatchLedger:
    """The batches of a ledger, as read and written by one worker."""

    def __init__(
        self, database: Database, worker: str, activity: ActivityTracker, retry: DatabaseRetry
    ) -> None:
        self._database, self._worker = database, worker
        self.activity, self.retry = activity, retry
        self._specs: dict[int, RunSpec] = {}
        self._logged_stopped: set[int] = set()
        # The result of each attempt to load: None if it succeeded.
        self._tried: dict[Wanted, CheckpointError | None] = {}

    @_steady
    def spec(self, run_id: int) -> RunSpec:
        """What a run needs from a worker; read once."""
        if run_id not in self._specs:
            with self._database.read() as session:
                self._specs[run_id] = get_run_spec(session, run_id)
        return self._specs[run_id]

    @contextmanager
    def loading(self, spec: RunSpec) -> Iterator[None]:
        """Load the checkpoint of a spec; a failure is noted in the ledger until loading succeeds.

        Raises:
            CheckpointError: it could not be loaded, or loading it hung in other workers.
        """
        tried = self._tried.get(spec.wanted)
        try:
            if tried is not None or spec.wanted not in self._tried:
                self._require_loadable(spec)
            yield
        except CheckpointError as error:
            if error is not tried:  # the same error again is not a new attempt
                self._refuse(spec.wanted, error)
            raise
        if tried is not None:
            self._accept(spec.wanted)
        self._tried[spec.wanted] = None

    @_steady
    def lease(self, key: BatchKey) -> Leased:
        """Lease a batch, together with the batch of the same number in each run of its group.

        Leaves out batches that are finished, held by others, unknown or of a stopped run.
        """
        with self._database.write() as session:
            taken = take_leases(session, key, self._worker, timing.LEASE_SECONDS)
            stopped = why_stopped(session, [lease.batch.run_id for lease in taken])
            leased = Leased([lease for lease in taken if lease.batch.run_id not in stopped], [])
            if stopped:
                returned = [lease.batch for lease in taken if lease.batch.run_id in stopped]
                return_untried(session, returned, self._worker)
            pending = pending_images(session, leased.batches)
        self._log_stopped(stopped)
        return leased._replace(pending=pending)

    @contextmanager
    def holding(self, leased: Leased) -> Iterator[None]:
        """Keep the leases renewed meanwhile; if the block fails, they are given back at once."""
        with self.activity.hold_leases(leased.batches):
            try:
                yield
            except LeaseLostError:
                log.warning("%s: another worker took it over, or it was deleted", leased)
                self._release(leased)
            except BaseException:
                self._release(leased)
                raise

    def return_untried(self, batch: BatchKey) -> None:
        """Give a batch back as if it had never been taken."""
        with self._database.write() as session:
            return_untried(session, [batch], self._worker)

    @_steady
    def note_start(self, leased: Leased, work: FileWork, before: Sequence[Outcome]) -> int:
        """Commit the outcomes of the image before and this start; returns the count of starts.

        A start beyond MAX_STARTS is only counted, not written down.

        Raises:
            LeaseLostError: another worker holds the batch by now.
        """
        starts = 1 + leased.starts_of(work)
        batches = {batch.run_id: batch for batch in leased.batches}
        with self._database.write() as session:
            # Lock the row before the predictions, as in `lock_batches`.
            if not still_held(session, leased.batches, self._worker):
                raise LeaseLostError
            store_outcomes(session, self._worker, before)
            if starts <= MAX_STARTS:
                for image in work.images:
                    note_start(session, batches[image.run_id], image.id, starts)
        return starts

    @_steady
    def finish(
        self, leased: Leased, outcomes: Sequence[Outcome], seconds: Seconds
    ) -> tuple[Finished | None, Seconds]:
        """Store what is not yet stored, and mark the batches finished.

        Returns the first batch as the ledger recorded it (None if `producer retry` took back one of
        its images meanwhile), and the seconds including those of writing.

        Raises:
            LeaseLostError: the run was deleted.
        """
        began = time.perf_counter()
        with self._database.write() as session:
            if not lock_batches(session, leased.batches):
                raise LeaseLostError
            store_outcomes(session, self._worker, outcomes)
            stored = seconds.plus(Seconds(write=time.perf_counter() - began))
            ended = [finish_batch(session, batch, stored) for batch in leased.batches]
        finished = None
        if ended[0] is not None:
            finished = Finished(ended[0], sum(stored), len(leased.files))
        return finished, seconds.plus(Seconds(write=time.perf_counter() - began))

    @_steady
    def stop(self, leased: Leased, wrong: WrongModelError) -> None:
        """Stop runs whose model gave an invalid score: nothing of these batches is stored."""
        reasons = {run_id: wrong.reason(run_id, self.spec(run_id).path) for run_id in wrong.found}
        with self._database.write() as session:
            for run_id, reason in reasons.items():
                wanted = self.spec(run_id).wanted
                note_refusal(session, self._worker, wanted, reason, stops=True)
            returned = [batch for batch in leased.batches if batch.run_id in reasons]
            return_untried(session, returned, self._worker)
        self._log_stopped(reasons)

    @_steady
    def known_digests(self, source: str, paths: Sequence[str]) -> dict[str, str]:
        """Digests that files of a source had when they were last scored."""
        with self._database.read() as session:
            return known_digests(session, source, paths)

    @_steady
    def _require_loadable(self, spec: RunSpec) -> None:
        """Refuse to load what hung in other workers."""
        with self._database.read() as session:
            reason = why_not_loaded(session, spec.wanted)
        if reason is not None:
            raise CheckpointError(f"{spec.path} was stopped: {reason}")

    @_steady
    def _refuse(self, wanted: Wanted, error: CheckpointError) -> None:
        with self._database.write() as session:
            note_refusal(session, self._worker, wanted, error.message)
        self._tried[wanted] = error

    @_steady
    def _accept(self, wanted: Wanted) -> None:
        with self._database.write() as session:
            clear_refusal(session, self._worker, wanted)

    def _release(self, leased: Leased) -> None:
        with self._database.write() as session:
            release_leases(session, leased.batches, self._worker)

    def _log_stopped(self, stopped: dict[int, str]) -> None:
        """Log each run once: thousands of its messages may still be in the queue."""
        for run_id, reason in stopped.items():
            if run_id not in self._logged_stopped:
                self._logged_stopped.add(run_id)
                log.error("run %d was stopped: %s", run_id, reason)
