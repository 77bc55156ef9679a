"""Files to score and their outcomes, as plain values: no ledger, no model."""

import math
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from base.arrays import Float32Array
from db.queries.leases import BatchKey, Lease, PendingImage, name_of
from db.queries.outcomes import Outcome
from imaging.errors import ImageError
from worker.scoring.batch_scores import (
    BatchScores,
    RunScores,
    WrongModelError,
    is_outside,
    rounded_in,
)


class FileWork(NamedTuple):
    """A file, and its images in the leased batches: at most one for each run."""

    path: str
    images: list[PendingImage]


class Leased(NamedTuple):
    """Leased batches of one batch number, and their images without a prediction."""

    leases: list[Lease]
    pending: list[PendingImage]

    @property
    def batches(self) -> list[BatchKey]:
        """The batches, ordered by run."""
        return [lease.batch for lease in self.leases]

    @property
    def runs(self) -> list[int]:
        """The ids of their runs."""
        return [lease.batch.run_id for lease in self.leases]

    @property
    def attempt(self) -> int:
        """The number of this attempt, for the batch that was tried most often."""
        return max(lease.attempts for lease in self.leases)

    @property
    def files(self) -> list[FileWork]:
        """Each file once, in the order of the first run that lists it."""
        return by_path(self.pending)

    def without(self, runs: Container[int]) -> "Leased":
        """The same without these runs."""
        return Leased(
            [lease for lease in self.leases if lease.batch.run_id not in runs],
            [image for image in self.pending if image.run_id not in runs],
        )

    def starts_of(self, work: FileWork) -> int:
        """How often scoring this file was started and never finished, as far as is known."""
        ids = {image.id for image in work.images}
        return max(
            (lease.suspect_starts for lease in self.leases if lease.suspect_id in ids), default=0
        )

    def __str__(self) -> str:
        """The name of the batches in the log."""
        return name_of(self.batches)


def died(work: FileWork, starts: int) -> list[Outcome]:
    """The outcomes of a file whose scoring was started this often and never finished."""
    detail = f"its scoring was started {starts} times and never finished"
    return [Outcome(image.id, None, "worker_died", detail, None) for image in work.images]


def by_path(images: Sequence[PendingImage]) -> list[FileWork]:
    """Each file once, in the order of the first run that lists it."""
    work: dict[str, FileWork] = {}
    for image in images:
        work.setdefault(image.path, FileWork(image.path, [])).images.append(image)
    return list(work.values())


def outcomes_of(work: Sequence[FileWork], runs: list[int], scored: BatchScores) -> list[Outcome]:
    """An outcome for each image of `work`; `scored` holds the results of `runs`, in their order.

    Raises:
        WrongModelError: a model gave an invalid score.
    """
    found = {
        run_id: (score, work[position].path)
        for run_id, run_scores in zip(runs, scored.runs, strict=True)
        for position, score in reversed([*_numbers(run_scores)])
        if is_outside(score)
    }
    if found:
        raise WrongModelError(found)
    by_run = dict(zip(runs, scored.runs, strict=True))
    return [
        _outcome(image, position, by_run[image.run_id])
        for position, file in enumerate(work)
        for image in file.images
    ]


def _numbers(run: RunScores) -> Iterator[tuple[int, float]]:
    """All that a model gave, with the positions: scores, then probabilities."""
    yield from run.scores.items()
    for position, row in run.probabilities.items():
        yield from ((position, number) for number in row.tolist())


def _outcome(image: PendingImage, position: int, run: RunScores) -> Outcome:
    score, error = run.scores.get(position), run.errors.get(position)
    digest, note = run.digests.get(position), run.notes.get(position)
    row = run.probabilities.get(position)
    if row is not None and np.isnan(row).any():
        score = math.nan
    if error is None and (score is None or math.isnan(score)):
        error = ImageError("bad_score", f"the model gave {score}, which is not a score in [0, 1]")
    if image.sha256 and digest and digest != image.sha256.lower():
        # This replaces any other outcome: these are not the bytes that the manifest means.
        error = ImageError("wrong_digest", f"its SHA-256 is {digest}, not that of the manifest")
    if error is not None:
        return Outcome(image.id, None, error.code, _storable(error.detail), digest)
    stored = None if score is None else rounded_in(score)
    row_text = None if row is None else _as_json(row)
    turned = run.orientations.get(position)
    return Outcome(image.id, stored, None, note, digest, turned, row_text)


def _as_json(row: Float32Array) -> str:
    """Probabilities as a JSON array, in the fewest digits that give the same float32."""
    return f"[{','.join(map(str, row.clip(0, 1)))}]"


def _storable(detail: str) -> str:
    """The text with characters that databases refuse written as escapes."""
    return detail.replace("\0", "\\0").encode(errors="backslashreplace").decode()
