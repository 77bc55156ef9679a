"""Writes of `producer retry`: clears errors, so that their images are scored again."""

from collections.abc import Sequence

from sqlalchemy import UpdateBase, delete, func, select, update
from sqlalchemy.orm import Session

from db.queries.history import note_change
from db.queries.listing import lock_run
from db.tables import Batch, Image, Prediction


def clear_errors(session: Session, run_id: int, codes: Sequence[str]) -> dict[str, int]:
    """Delete the predictions with these errors and reopen their batches; returns images by code."""
    lock_run(session, run_id)
    images = select(Image.id).where(Image.run_id == run_id)
    failed = (Prediction.image_id.in_(images), Prediction.error.in_(codes))
    found = session.execute(
        select(Prediction.error, func.count()).where(*failed).group_by(Prediction.error)
    )
    counts = {code: count for code, count in found if code is not None}
    numbers = (
        select(Image.batch)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.error.in_(codes))
    )
    # A suspected image that is tried again starts with a count of zero.
    _change(
        session,
        update(Batch)
        .where(
            Batch.run_id == run_id,
            Batch.suspect_id.in_(select(Prediction.image_id).where(*failed)),
        )
        .values(suspect_id=None, suspect_starts=0),
    )
    # As if it had never been tried: all at once, and with no suspected image. An unfinished batch
    # may be in work, and stays as it is.
    _change(
        session,
        update(Batch)
        .where(Batch.run_id == run_id, Batch.finished_at.is_not(None), Batch.number.in_(numbers))
        .values(
            finished_at=None,
            leased_until=None,
            published_at=None,
            attempts=0,
            suspect_id=None,
            suspect_starts=0,
        ),
    )
    _change(session, delete(Prediction).where(*failed))
    note_change(session, run_id, "retried", sum(counts.values()))
    return counts


def _change(session: Session, statement: UpdateBase) -> None:
    """Run it; no object of the session represents one of these rows, so none is synchronised."""
    session.execute(statement, execution_options={"synchronize_session": False})
