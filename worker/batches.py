"""The life of a batch in a worker: lease, decode, score, store, finish."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from db.ledger import (
    BatchKey,
    Lease,
    Outcome,
    finish_batch,
    note_start,
    pending_images,
    release_lease,
    store_outcomes,
    take_lease,
)
from db.session import Database
from model.errors import ImageError

log = logging.getLogger(__name__)

# Judged by the database's clock and renewed while the worker lives.
LEASE_SECONDS = 30.0
# An image during whose scoring this many processes died is the likely cause.
MAX_STARTS = 3


class Batch(Protocol):
    """Decoded images of a batch; see `model.preprocess.DecodedBatch`."""

    @property
    def images(self) -> npt.NDArray[np.float32]: ...  # noqa: D102
    @property
    def positions(self) -> list[int]: ...  # noqa: D102
    @property
    def errors(self) -> dict[int, ImageError]: ...  # noqa: D102
    @property
    def digests(self) -> dict[int, str]: ...  # noqa: D102


class ImageScorer(Protocol):
    """What scores images; see `worker.scorer.Scorer`."""

    def decode(self, root: Path, paths: Sequence[str]) -> Batch: ...  # noqa: D102
    def score(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]: ...  # noqa: D102


class BatchScoring:
    """Scores batches of the ledger under one worker's name."""

    def __init__(self, database: Database, root: Path, worker: str) -> None:
        self._database = database
        self._root = root
        self._worker = worker

    def score(self, key: BatchKey, scorer: ImageScorer) -> None:
        """Bring one batch to its end; a batch that is finished or held by another is left alone."""
        with self._database.write() as session:
            lease = take_lease(session, key, self._worker, LEASE_SECONDS)
        if lease is None:
            log.debug("run %d batch %d: finished, or held by another worker", *key)
            return
        try:
            self._score_leased(key, lease, scorer)
        except BaseException:
            with self._database.write() as session:
                release_lease(session, key, self._worker)
            raise

    def _score_leased(self, key: BatchKey, lease: Lease, scorer: ImageScorer) -> None:
        began = time.monotonic()
        with self._database.read() as session:
            pending = [(row.id, row.path) for row in pending_images(session, key)]
        if lease.attempts == 1:
            outcomes = self._outcomes(scorer, pending)
        else:
            outcomes = self._one_by_one(key, lease, scorer, pending)
        with self._database.write() as session:
            store_outcomes(session, self._worker, outcomes)
            finish_batch(session, key)
        _log_batch(key, outcomes, time.monotonic() - began)

    def _one_by_one(
        self, key: BatchKey, lease: Lease, scorer: ImageScorer, pending: list[tuple[int, str]]
    ) -> list[Outcome]:
        """Score and commit image by image, so that one that kills the process costs only itself."""
        log.warning(
            "run %d batch %d: attempt %d, its %d images go one by one",
            *key,
            lease.attempts,
            len(pending),
        )
        outcomes: list[Outcome] = []
        for image_id, path in pending:
            starts = lease.suspect_starts if lease.suspect_id == image_id else 0
            outcomes += self._one(key, scorer, (image_id, path), starts)
            with self._database.write() as session:
                store_outcomes(session, self._worker, outcomes[-1:])
        return outcomes

    def _one(
        self, key: BatchKey, scorer: ImageScorer, image: tuple[int, str], starts: int
    ) -> list[Outcome]:
        if starts >= MAX_STARTS:
            detail = f"its scoring was begun {starts} times and never ended"
            return [Outcome(image[0], None, "worker_died", detail, None)]
        with self._database.write() as session:
            note_start(session, key, image[0], starts + 1)
        return self._outcomes(scorer, [image])

    def _outcomes(self, scorer: ImageScorer, pending: list[tuple[int, str]]) -> list[Outcome]:
        """One outcome for each image, whatever its bytes hold."""
        batch = scorer.decode(self._root, [path for _, path in pending])
        scores = dict(zip(batch.positions, scorer.score(batch.images).tolist(), strict=True))
        return [
            _outcome(image_id, scores.get(at), batch.errors.get(at), batch.digests.get(at))
            for at, (image_id, _) in enumerate(pending)
        ]


def _outcome(
    image_id: int, score: float | None, error: ImageError | None, digest: str | None
) -> Outcome:
    if error is None and score is not None and not 0 <= score <= 1:  # NaN is neither
        error = ImageError("bad_score", f"the model gave {score}, which is no score in [0, 1]")
    if error is not None:
        return Outcome(image_id, None, error.code, error.detail, digest)
    return Outcome(image_id, score, None, None, digest)


def _log_batch(key: BatchKey, outcomes: list[Outcome], seconds: float) -> None:
    errors = sum(outcome.error is not None for outcome in outcomes)
    log.info(
        "run %d batch %d: %d images, %d error%s, %.1f images/s",
        *key,
        len(outcomes),
        errors,
        "" if errors == 1 else "s",
        len(outcomes) / max(seconds, 1e-9),
    )
