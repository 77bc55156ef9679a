"""The life of a batch in a worker: lease, load, score, store."""

import logging
import time
from collections.abc import Sequence
from functools import partial

from base.read_write_lock import ReadWriteLock
from db.queries.leases import BatchKey
from db.queries.outcomes import Outcome, Seconds
from db.queries.runs import RunSpec
from db.session import Database
from model.errors import CheckpointError
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.scoring import observe
from worker.scoring.batch_ledger import MAX_STARTS, BatchLedger
from worker.scoring.batch_scores import Engine, WrongModelError
from worker.scoring.file_work import FileWork, Leased, died, outcomes_of
from worker.scoring.speed_check import SpeedCheck
from worker.scoring.tracked_engine import TrackedEngine

log = logging.getLogger(__name__)


class BatchProcessor:
    """Scores batches of the ledger for one worker."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        worker: str,
        activity: ActivityTracker | None = None,
        retry: DatabaseRetry | None = None,
    ) -> None:
        activity = activity or ActivityTracker()
        self._ledger = BatchLedger(database, worker, activity, retry or DatabaseRetry(activity))
        self._engine = TrackedEngine(engine, activity)
        self._speeds = SpeedCheck(database, engine, activity)
        # Runs in which this worker finished a batch.
        self.runs: set[int] = set()
        # Batches share this lock, a single image holds it exclusively: otherwise a batch scored at
        # the same time as an image that kills the process would be suspected as well.
        self._process_lock = ReadWriteLock()

    def score(self, key: BatchKey) -> None:
        """Score a batch, together with the batch of the same number in each run of its group.

        Batches that are finished or held by others are left alone.

        Raises:
            CheckpointError: the run's checkpoint could not be loaded; nothing was leased.
        """
        self.load(self._ledger.spec(key.run_id))
        leased = self._ledger.lease(key)
        if not leased.leases:
            log.debug("run %d batch %d: finished, or held by another worker", *key)
            return
        with self._ledger.holding(leased):
            self._score_and_store(self._loaded(leased))

    def load(self, spec: RunSpec) -> None:
        """Load what a run needs.

        Raises:
            CheckpointError: it could not be loaded; the ledger says so, too.
        """
        with self._ledger.loading(spec):
            self._engine.prepare(spec)
        self._speeds.check(spec)

    def _loaded(self, leased: Leased) -> Leased:
        """The batches whose checkpoint could be loaded here; the others are given back untried."""
        refused = set()
        for batch in leased.batches:
            try:
                self.load(self._ledger.spec(batch.run_id))
            except CheckpointError as error:
                log.error("run %d batch %d: %s", *batch, error.message)  # noqa: TRY400 - a full sentence
                self._ledger.return_untried(batch)
                refused.add(batch.run_id)
        return leased.without(refused)

    def _score_and_store(self, leased: Leased) -> None:
        if not leased.leases:
            return
        first = leased.attempt == 1
        try:
            with self._process_lock.shared() if first else self._process_lock.exclusive():
                scored = self._score(leased.files) if first else self._score_one_by_one(leased)
                self._store(leased, *scored)
        except WrongModelError as wrong:
            self._ledger.stop(leased, wrong)
            # The other runs of its group are scored all the same.
            self._score_and_store(leased.without(wrong.found))

    def _score_one_by_one(self, leased: Leased) -> tuple[list[Outcome], Seconds]:
        """Score and commit image by image, so that one that kills the process loses only itself."""
        files = leased.files
        log.warning(
            "%s: attempt %d, its %d images go one by one", leased, leased.attempt, len(files)
        )
        outcomes: list[Outcome] = []
        latest: list[Outcome] = []
        seconds = Seconds()
        for file in files:
            began = time.perf_counter()
            starts = self._ledger.note_start(leased, file, latest)
            seconds = seconds.plus(Seconds(write=time.perf_counter() - began))
            if starts > MAX_STARTS:
                latest = died(file, starts - 1)
            else:
                latest, taken = self._score([file])
                seconds = seconds.plus(taken)
            outcomes += latest
        return outcomes, seconds

    def _score(self, files: Sequence[FileWork]) -> tuple[list[Outcome], Seconds]:
        """One outcome for each image, whatever its file contains.

        Raises:
            WrongModelError: a model gave an invalid score.
        """
        if not files:
            return [], Seconds()
        runs = sorted({image.run_id for file in files for image in file.images})
        specs = [self._ledger.spec(run_id) for run_id in runs]
        known = partial(self._ledger.known_digests, specs[0].source)
        scored = self._engine.score(specs, [file.path for file in files], known)
        return outcomes_of(files, runs, scored), scored.seconds

    def _store(self, leased: Leased, outcomes: list[Outcome], seconds: Seconds) -> None:
        finished, seconds = self._ledger.finish(leased, outcomes, seconds)
        self.runs.update(leased.runs)
        specs = [self._ledger.spec(run_id) for run_id in leased.runs]
        observe.batch_stored(leased, specs, outcomes, seconds, finished)
