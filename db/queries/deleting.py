"""Writes of `producer delete`: removes a run and its results, in steps that can be resumed.

First the rows of its batches, in one transaction: from then on no worker can take it, and it looks
like a run whose listing was interrupted. Then images and predictions in chunks, so that others do
not wait long for SQLite's write lock; the run itself last.
"""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.clock import Now
from db.errors import DatabaseError
from db.queries.listing import lock_run
from db.queries.runs import checkpoint_of, drop_checkpoint_if_unused
from db.tables import Batch, Change, ChosenThreshold, DeletedRun, Image, Prediction, Run

# Images of one transaction.
CHUNK = 10_000


def close_run(session: Session, run_id: int) -> None:
    """Make the run's batches unavailable to workers.

    Raises:
        DatabaseError: a worker holds one of them.
    """
    lock_run(session, run_id)
    session.scalars(select(Batch.number).where(Batch.run_id == run_id).with_for_update()).all()
    held = session.execute(
        select(Batch.number, Batch.worker)
        .where(Batch.run_id == run_id, Batch.finished_at.is_(None), Batch.leased_until > Now())
        .limit(1)
    ).first()
    if held is not None:
        raise DatabaseError(
            f"run {run_id}: worker {held.worker} is scoring batch {held.number}: "
            "wait for it or stop it, then delete the run"
        )
    session.execute(delete(Batch).where(Batch.run_id == run_id))


def delete_images(session: Session, run_id: int) -> int:
    """Delete one chunk of the closed run's images and their predictions; returns how many."""
    first = session.scalar(select(func.min(Image.batch)).where(Image.run_id == run_id))
    if first is None:
        return 0
    batches = max(1, CHUNK // session.get_one(Run, run_id).batch_size)
    chunk = (Image.run_id == run_id, Image.batch.between(first, first + batches - 1))
    of_chunk = Prediction.image_id.in_(select(Image.id).where(*chunk))
    session.execute(
        delete(Prediction).where(of_chunk), execution_options={"synchronize_session": False}
    )
    return len(session.execute(delete(Image).where(*chunk).returning(Image.id)).all())


def thresholds_of(session: Session, run_id: int) -> int:
    """How many thresholds were chosen on the run; they are deleted with it."""
    chosen = select(func.count()).where(ChosenThreshold.run_id == run_id)
    return session.scalar(chosen) or 0


def delete_run(session: Session, run_id: int) -> None:
    """Delete the run, whose images are gone; its id is never used again."""
    session.execute(delete(ChosenThreshold).where(ChosenThreshold.run_id == run_id))
    session.execute(delete(Change).where(Change.run_id == run_id))
    checkpoint = checkpoint_of(session, session.get_one(Run, run_id))
    session.add(DeletedRun(run_id=run_id))
    session.execute(delete(Run).where(Run.id == run_id))
    if checkpoint.imported:  # there is no file that another run could use
        drop_checkpoint_if_unused(session, checkpoint.id)
