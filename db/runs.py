"""Reads and writes of checkpoints and runs."""

from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from db.errors import DatabaseError, NoSuchRunError
from db.tables import Batch, Checkpoint, Run


def add_checkpoint(session: Session, digest: str, path: str, card: dict[str, Any]) -> Checkpoint:
    """The checkpoint of this digest, entered if new, its path and card brought up to date."""
    checkpoint = session.scalar(select(Checkpoint).where(Checkpoint.digest == digest))
    if checkpoint is None:
        checkpoint = Checkpoint(digest=digest)
        session.add(checkpoint)
    checkpoint.path, checkpoint.card = path, card
    session.flush()
    return checkpoint


def drop_checkpoint_if_unused(session: Session, checkpoint_id: int) -> None:
    """Take back a checkpoint that no run is pinned to."""
    pinned = exists().where(Run.checkpoint_id == checkpoint_id)
    session.execute(delete(Checkpoint).where(Checkpoint.id == checkpoint_id, ~pinned))


def newest_checkpoint(session: Session) -> Checkpoint | None:
    """The checkpoint entered last."""
    return session.scalar(select(Checkpoint).order_by(Checkpoint.id.desc()).limit(1))


def wanted_checkpoint(session: Session) -> Checkpoint | None:
    """The checkpoint that the newest unfinished run needs, else the one entered last."""
    wanted = session.scalar(
        select(Checkpoint)
        .join(Run)
        .join(Batch, Batch.run_id == Run.id)
        .where(Batch.finished_at.is_(None))
        .order_by(Run.id.desc())
        .limit(1)
    )
    return wanted or newest_checkpoint(session)


def find_run(session: Session, source: str, checkpoint_id: int, precision: str) -> Run | None:
    """The newest run of this source with this checkpoint at this precision."""
    return session.scalar(
        select(Run)
        .where(Run.source == source, Run.checkpoint_id == checkpoint_id, Run.precision == precision)
        .order_by(Run.id.desc())
        .limit(1)
    )


def named_run(session: Session, name: str) -> Run | None:
    """The run of this name."""
    return session.scalar(select(Run).where(Run.name == name))


def get_run(session: Session, run: str | None = None) -> Run:
    """The run of this number or name; the newest without one.

    Raises:
        NoSuchRunError: there is none.
    """
    if run is None:
        newest = session.scalar(select(Run).order_by(Run.id.desc()).limit(1))
        if newest is None:
            raise NoSuchRunError("there is no run yet: start one with `producer enqueue SOURCE`")
        return newest
    if run.isdecimal():  # no name is a number
        return run_by_number(session, int(run))
    found = named_run(session, run)
    if found is None:
        raise NoSuchRunError(f"there is no run {run}: `producer status` lists them")
    return found


def run_by_number(session: Session, number: int) -> Run:
    """The run of this number.

    Raises:
        NoSuchRunError: there is none.
    """
    run = session.get(Run, number)
    if run is None:
        raise NoSuchRunError(f"there is no run {number}: `producer status` lists them")
    return run


def all_runs(session: Session) -> list[Run]:
    """Every run, oldest first."""
    return list(session.scalars(select(Run).order_by(Run.id)))


def checkpoint_of(session: Session, run: Run) -> Checkpoint:
    """The checkpoint that the run is pinned to."""
    checkpoint = session.get(Checkpoint, run.checkpoint_id)
    if checkpoint is None:  # the foreign key forbids it
        raise DatabaseError(f"run {run.id} names a checkpoint that is not in the database")
    return checkpoint
