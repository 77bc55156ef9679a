"""The life of a batch in a worker: lease, score, store, finish."""

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from db.ledger import (
    BatchKey,
    Lease,
    PendingImage,
    pending_images,
    release_leases,
    return_untried,
    take_leases,
)
from db.outcomes import (
    Outcome,
    Seconds,
    finish_batch,
    known_digests,
    lock_batches,
    note_start,
    store_outcomes,
)
from db.runs import Needs, needs_of
from db.session import Database
from model.errors import CheckpointError, ImageError
from worker import metrics, tracing
from worker.pace import Pace
from worker.scored import Engine, RunScores, Scored

log = logging.getLogger(__name__)

# Judged by the database's clock and renewed while the worker lives.
LEASE_SECONDS = 30.0
# An image during whose scoring this many processes died is the likely cause.
MAX_STARTS = 3


class Work(NamedTuple):
    """A file, and the images of the leased batches that are this file: one for each run at most."""

    path: str
    images: list[PendingImage]


class BatchScoring:
    """Scores batches of the ledger under one worker's name."""

    def __init__(self, database: Database, engine: Engine, worker: str) -> None:
        self._database = database
        self._engine = engine
        self._worker = worker
        self._needs: dict[int, Needs] = {}
        self._pace = Pace()

    def score(self, key: BatchKey) -> None:
        """Bring a batch to its end, and with it the same batch of runs enqueued together with it.

        What is finished or held by another is left alone.

        Raises:
            CheckpointError: the run's checkpoint is not to be had; nothing was leased.
        """
        self._engine.prepare(self._needs_of(key.run_id))
        with self._database.write() as session:
            leases = take_leases(session, key, self._worker, LEASE_SECONDS)
            pending = pending_images(session, [lease.batch for lease in leases])
        try:
            prepared = [lease for lease in leases if self._prepared(lease)]
            if prepared:
                runs = {lease.batch.run_id for lease in prepared}
                self._score_leased(prepared, [image for image in pending if image.run_id in runs])
            else:
                log.debug("run %d batch %d: finished, or held by another worker", *key)
        except BaseException:
            with self._database.write() as session:
                release_leases(session, [lease.batch for lease in leases], self._worker)
            raise

    def _needs_of(self, run_id: int) -> Needs:
        if run_id not in self._needs:
            with self._database.read() as session:
                self._needs[run_id] = needs_of(session, run_id)
        return self._needs[run_id]

    def _prepared(self, lease: Lease) -> bool:
        """Whether the lease's run can be scored here; if not, its batch goes back untried."""
        try:
            self._engine.prepare(self._needs_of(lease.batch.run_id))
        except CheckpointError as error:
            log.error("run %d batch %d: %s", *lease.batch, error.message)  # noqa: TRY400 - a full sentence
            with self._database.write() as session:
                return_untried(session, [lease.batch], self._worker)
            return False
        return True

    def _score_leased(self, leases: list[Lease], pending: list[PendingImage]) -> None:
        self._pace.begin()
        try:
            self._score_timed(leases, _by_path(pending))
        finally:
            self._pace.end()

    def _score_timed(self, leases: list[Lease], work: list[Work]) -> None:
        batches = [lease.batch for lease in leases]
        if all(lease.attempts == 1 for lease in leases):
            outcomes, seconds = self._outcomes(work)
        else:
            outcomes, seconds = self._one_by_one(leases, work)
        wrote = time.perf_counter()
        with self._database.write() as session:
            lock_batches(session, batches)
            store_outcomes(session, self._worker, outcomes)
            stored = seconds.plus(Seconds(write=time.perf_counter() - wrote))
            for batch in batches:
                finish_batch(session, batch, stored)
        seconds = seconds.plus(Seconds(write=time.perf_counter() - wrote))
        errors = sum(outcome.error is not None for outcome in outcomes)
        rate = self._pace.add(len(work))
        needs = [self._needs_of(batch.run_id) for batch in batches]
        metrics.batches_ended(needs, outcomes, seconds, rate)
        tracing.stages(seconds)
        log.info("%s", _line(batches, len(work), errors, seconds, rate))

    def _one_by_one(self, leases: list[Lease], work: list[Work]) -> tuple[list[Outcome], Seconds]:
        """Score and commit image by image, so that one that kills the process costs only itself."""
        log.warning(
            "%s: attempt %d, its %d images go one by one",
            _name([lease.batch for lease in leases]),
            max(lease.attempts for lease in leases),
            len(work),
        )
        outcomes: list[Outcome] = []
        seconds = Seconds()
        for one in work:
            own, taken = self._one(leases, one)
            wrote = time.perf_counter()
            with self._database.write() as session:
                store_outcomes(session, self._worker, own)
            outcomes += own
            seconds = seconds.plus(taken).plus(Seconds(write=time.perf_counter() - wrote))
        return outcomes, seconds

    def _one(self, leases: list[Lease], work: Work) -> tuple[list[Outcome], Seconds]:
        ids = {image.id for image in work.images}
        starts = max(lease.suspect_starts if lease.suspect_id in ids else 0 for lease in leases)
        if starts >= MAX_STARTS:
            detail = f"its scoring was begun {starts} times and never ended"
            died = [Outcome(image.id, None, "worker_died", detail, None) for image in work.images]
            return died, Seconds()
        batches = {lease.batch.run_id: lease.batch for lease in leases}
        with self._database.write() as session:
            for image in work.images:
                note_start(session, batches[image.run_id], image.id, starts + 1)
        return self._outcomes([work])

    def _outcomes(self, work: list[Work]) -> tuple[list[Outcome], Seconds]:
        """One outcome for each image, whatever its bytes hold."""
        if not work:
            return [], Seconds()
        runs = sorted({image.run_id for one in work for image in one.images})
        needs = [self._needs_of(run) for run in runs]
        scored = self._engine.score(
            needs, [one.path for one in work], lambda paths: self._known(needs[0], paths)
        )
        return _outcomes(work, runs, scored), scored.seconds

    def _known(self, needs: Needs, paths: Sequence[str]) -> dict[str, str]:
        with self._database.read() as session:
            return known_digests(session, needs.source, paths)


def _by_path(images: Sequence[PendingImage]) -> list[Work]:
    """Each file once, in the order of the first run that lists it."""
    work: dict[str, Work] = {}
    for image in images:
        work.setdefault(image.path, Work(image.path, [])).images.append(image)
    return list(work.values())


def _outcomes(work: list[Work], runs: list[int], scored: Scored) -> list[Outcome]:
    by_run = dict(zip(runs, scored.runs, strict=True))
    return [
        _outcome(image.id, at, by_run[image.run_id])
        for at, one in enumerate(work)
        for image in one.images
    ]


def _outcome(image_id: int, at: int, run: RunScores) -> Outcome:
    score, error, digest = run.scores.get(at), run.errors.get(at), run.digests.get(at)
    if error is None and (score is None or not 0 <= score <= 1):  # NaN is neither
        error = ImageError("bad_score", f"the model gave {score}, which is no score in [0, 1]")
    if error is not None:
        return Outcome(image_id, None, error.code, error.detail, digest)
    return Outcome(image_id, score, None, run.notes.get(at), digest)


def _name(batches: Sequence[BatchKey]) -> str:
    runs = ", ".join(str(batch.run_id) for batch in batches)
    return f"run{'s' if len(batches) > 1 else ''} {runs} batch {batches[0].number}"


def _line(
    batches: Sequence[BatchKey], images: int, errors: int, seconds: Seconds, rate: float
) -> str:
    parts = ", ".join(f"{part} {value:.2f}" for part, value in seconds._asdict().items())
    return (
        f"{_name(batches)}: {images} images, {errors} error{'' if errors == 1 else 's'}, "
        f"{rate:.1f} images/s ({parts} s)"
    )
