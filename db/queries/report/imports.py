"""Writes of `report import-scores` and `report combine`: a finished run of known scores."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from base.listed_image import ListedImage
from db.errors import DatabaseError
from db.queries.history import note_change
from db.queries.leases import BatchKey, lists
from db.queries.listing import cut_batches, stage_images
from db.queries.outcomes import Outcome, finish_batch, store_outcomes
from db.queries.runs import add_checkpoint, refuse_name
from db.tables import Image, Run

# Stored instead of a precision, and instead of the worker that scored an image.
IMPORTED: Literal["imported"] = "imported"
COMBINED: Literal["combined"] = "combined"
# An image that imported scores, or one of the combined runs, hold none for: counted, never dropped.
NO_SCORE = "no_score"
# No message is sent for these batches, so memory alone limits their size.
BATCH_SIZE = 4096
_images: Any = Image.__table__
_INSERTED = select(_images.c.id, _images.c.path).where(lists(_images))


class ImportedScores(NamedTuple):
    """Where scores came from: a CSV file instead of a checkpoint, identified by `digest`.

    Or other runs: then `combined` says how, and which.
    """

    digest: str
    path: str
    card: dict[str, Any]
    combined: dict[str, Any] | None = None

    @property
    def kind(self) -> Literal["imported", "combined"]:
        """What is stored instead of a precision."""
        return IMPORTED if self.combined is None else COMBINED


class ImportedImage(NamedTuple):
    """An image and its outcome: a score, or the error and its detail; `digest` is of its bytes."""

    listed: ListedImage
    score: float | None
    error: str | None = None
    detail: str | None = None
    digest: str | None = None


def store_imported(
    session: Session,
    name: str,
    source: str,
    scores: ImportedScores,
    images: Iterable[ImportedImage],
    on_progress: Callable[[int], None],
) -> int:
    """Store a finished run of `images`, in the caller's transaction; returns its id.

    `on_progress` is called with the number of images so far.

    Raises:
        DatabaseError: the name is a number, or belongs to another run.
    """
    refuse_name(session, name)
    run = _new_run(session, name, source, scores)
    rows, stored = iter(images), 0
    batches: list[BatchKey] = []
    while chunk := list(islice(rows, BATCH_SIZE)):
        batches.append(BatchKey(run.id, len(batches) + 1))
        _store_batch(session, run, batches[-1], chunk)
        stored += len(chunk)
        on_progress(stored)
    note_change(session, run.id, scores.kind, cut_batches(session, run.id))
    for batch in batches:
        if finish_batch(session, batch) is None:
            raise DatabaseError(f"batch {batch.number} of the {scores.kind} scores is incomplete")
    return run.id


def _new_run(session: Session, name: str, source: str, scores: ImportedScores) -> Run:
    checkpoint = add_checkpoint(session, scores.digest, scores.path, scores.card)
    checkpoint.imported = True
    run = Run(
        name=name,
        source=source,
        checkpoint_id=checkpoint.id,
        precision=scores.kind,
        combined=scores.combined,
        batch_size=BATCH_SIZE,
    )
    session.add(run)
    session.flush()
    return run


def _store_batch(
    session: Session, run: Run, batch: BatchKey, images: Sequence[ImportedImage]
) -> None:
    """The run's next batch, staged, with its outcomes; it has no row in `batches` yet."""
    stage_images(session, run, [image.listed for image in images])
    # By path, not by the order of their ids: a score must never go to another image.
    inserted = session.connection().execute(_INSERTED, batch.bound())
    image_ids = {path: image_id for image_id, path in inserted}
    outcomes = [Outcome(image_ids[image.listed.path], *image[1:]) for image in images]
    store_outcomes(session, run.precision, outcomes)
