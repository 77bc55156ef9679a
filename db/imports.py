"""Writes of `report import-scores`: a finished run of scores that no worker computed."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from db.errors import DatabaseError
from db.ledger import BatchKey, pending_images
from db.listing import ListedImage, cut_batches, stage_images
from db.outcomes import Outcome, finish_batch, store_outcomes
from db.runs import add_checkpoint, named_run
from db.tables import Run

# In the place of a precision, and of the worker that scored an image.
IMPORTED = "imported"
# No message is ever sent for these batches, so they are as large as memory likes.
BATCH_SIZE = 4096
_CHUNK = 4 * BATCH_SIZE


class ImportedScores(NamedTuple):
    """Where scores came from: a CSV file in the place of a checkpoint, known by `digest`."""

    digest: str
    path: str
    card: dict[str, Any]


class ImportedImage(NamedTuple):
    """An image and its outcome: a score, or the error and its sentence."""

    listed: ListedImage
    score: float | None
    error: str | None = None
    detail: str | None = None


def store_imported(
    session: Session,
    name: str,
    source: str,
    scores: ImportedScores,
    images: Iterable[ImportedImage],
) -> int:
    """A finished run of `images`, in the caller's transaction; returns its number.

    Raises:
        DatabaseError: the name is a number, or belongs to another run.
    """
    _check_name(session, name)
    checkpoint = add_checkpoint(session, scores.digest, scores.path, scores.card)
    checkpoint.imported = True
    run = Run(
        name=name,
        source=source,
        checkpoint_id=checkpoint.id,
        precision=IMPORTED,
        batch_size=BATCH_SIZE,
    )
    session.add(run)
    session.flush()
    rows = iter(images)
    while chunk := list(islice(rows, _CHUNK)):
        _store_chunk(session, run, chunk)
    return run.id


def _store_chunk(session: Session, run: Run, chunk: Sequence[ImportedImage]) -> None:
    """Whole batches but for the last: staged, cut, given their outcomes and finished."""
    span = stage_images(session, run, [image.listed for image in chunk])
    cut_batches(session, run.id)
    if span is None:
        return
    by_path = {image.listed.path: image for image in chunk}
    for number in range(span[0], span[1] + 1):
        batch = BatchKey(run.id, number)
        store_outcomes(session, IMPORTED, list(_outcomes(session, batch, by_path)))
        if not finish_batch(session, batch):
            raise DatabaseError(f"batch {number} of the imported scores is incomplete")


def _outcomes(
    session: Session, batch: BatchKey, by_path: dict[str, ImportedImage]
) -> Iterator[Outcome]:
    for waiting in pending_images(session, [batch]):
        image = by_path[waiting.path]
        yield Outcome(waiting.id, image.score, image.error, image.detail, None)


def _check_name(session: Session, name: str) -> None:
    if name.isdecimal() or not name.strip():
        raise DatabaseError(
            f"--name {name!r}: a number or nothing cannot be told from a run number"
        )
    if named_run(session, name) is not None:
        raise DatabaseError(f"--name {name}: there is a run of this name already")
