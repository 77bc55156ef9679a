"""Reads and writes of checkpoints and runs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from db.connection.planning import unindexed
from db.errors import DatabaseError, NoSuchRunError
from db.precisions import PRECISIONS
from db.queries.refusals import Wanted, stopped_runs
from db.tables import Batch, Checkpoint, Run

# The digits of the largest run id; SQLite rejects integers of more than 18 digits.
_DIGITS = 10
_FIRST_RUN = "start one with `producer enqueue SOURCE`"


class RunSpec(NamedTuple):
    """What a run needs from a worker; the same for all of its batches."""

    run_id: int
    source: str
    digest: str
    path: str
    precision: str
    keep_features: bool
    views: int = 1

    @property
    def wanted(self) -> Wanted:
        """The checkpoint and its precision."""
        return Wanted(self.digest, self.precision)


def add_checkpoint(session: Session, digest: str, path: str, card: dict[str, Any]) -> Checkpoint:
    """The checkpoint with this digest, added if new, with its path and card updated."""
    checkpoint = session.scalar(select(Checkpoint).where(Checkpoint.digest == digest))
    if checkpoint is None:
        checkpoint = Checkpoint(digest=digest)
        session.add(checkpoint)
    checkpoint.path, checkpoint.card = path, card
    session.flush()
    return checkpoint


def drop_checkpoint_if_unused(session: Session, checkpoint_id: int) -> None:
    """Remove a checkpoint that no run is pinned to."""
    pinned = exists().where(Run.checkpoint_id == checkpoint_id)
    session.execute(delete(Checkpoint).where(Checkpoint.id == checkpoint_id, ~pinned))


def newest_checkpoint(session: Session) -> Checkpoint | None:
    """The newest checkpoint that has a model file."""
    with_file = select(Checkpoint).where(Checkpoint.imported.is_(False))
    return session.scalar(with_file.order_by(Checkpoint.id.desc()).limit(1))


def wanted_first(session: Session) -> RunSpec | None:
    """What the newest unfinished run needs; else the newest checkpoint in float32."""
    unfinished = session.scalar(
        select(func.max(unindexed(Batch.run_id))).where(
            Batch.finished_at.is_(None), Batch.run_id.not_in(stopped_runs())
        )
    )
    if unfinished is not None:
        return get_run_spec(session, unfinished)
    newest = newest_checkpoint(session)
    if newest is None:
        return None
    return RunSpec(0, "", newest.digest, newest.path, PRECISIONS[0], keep_features=False)


def find_run(
    session: Session, source: str, checkpoint_id: int, precision: str, views: int
) -> Run | None:
    """The newest run of this source with this checkpoint, precision and number of views."""
    return session.scalar(
        select(Run)
        .where(
            Run.source == source,
            Run.checkpoint_id == checkpoint_id,
            Run.precision == precision,
            Run.views == views,
        )
        .order_by(Run.id.desc())
        .limit(1)
    )


def group_runs(session: Session, run_ids: Sequence[int]) -> None:
    """Put these runs into the group of the first, so that they are scored together."""
    if len(run_ids) > 1:
        first = session.get_one(Run, run_ids[0])
        group_id = first.group_id or first.id
        session.execute(update(Run).where(Run.id.in_(run_ids)).values(group_id=group_id))


def keep_features(session: Session, run_ids: Sequence[int]) -> None:
    """Let these runs keep features from now on."""
    session.execute(update(Run).where(Run.id.in_(run_ids)).values(keep_features=True))


def named_run(session: Session, name: str) -> Run | None:
    """The run with this name."""
    return session.scalar(select(Run).where(Run.name == name))


def refuse_name(session: Session, name: str) -> None:
    """Refuse a name that would not identify a new run.

    Raises:
        DatabaseError: it is a number or empty, or belongs to a run.
    """
    if name.isdecimal() or not name.strip():
        raise DatabaseError(
            f"--name {name!r}: a name must not be empty or a number: numbers are the ids of runs"
        )
    if named_run(session, name) is not None:
        raise DatabaseError(f"--name {name}: there is already a run of this name")


def get_run(session: Session, run: str | None = None) -> Run:
    """The run with this id or name; the newest one if None.

    Raises:
        NoSuchRunError: there is none.
    """
    if run is None:
        newest = session.scalar(select(Run).order_by(Run.id.desc()).limit(1))
        if newest is None:
            raise NoSuchRunError(f"there is no run yet: {_FIRST_RUN}")
        return newest
    if run.isdecimal() and len(run) <= _DIGITS:  # no name is a number
        return run_by_id(session, int(run))
    found = named_run(session, run)
    if found is None:
        raise _no_run(session, run)
    return found


def run_by_id(session: Session, run_id: int) -> Run:
    """The run with this id.

    Raises:
        NoSuchRunError: there is none.
    """
    run = session.get(Run, run_id)
    if run is None:
        raise _no_run(session, run_id)
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


def get_run_spec(session: Session, run_id: int) -> RunSpec:
    """What the run with this id needs from a worker.

    Raises:
        NoSuchRunError: there is none.
    """
    row = session.execute(
        select(
            Run.id,
            Run.source,
            Checkpoint.digest,
            Checkpoint.path,
            Run.precision,
            Run.keep_features,
            Run.views,
        )
        .join(Checkpoint, Checkpoint.id == Run.checkpoint_id)
        .where(Run.id == run_id)
    ).one_or_none()
    if row is None:
        raise _no_run(session, run_id)
    return RunSpec(*row)


def _no_run(session: Session, run: int | str) -> NoSuchRunError:
    if session.scalar(select(exists(select(Run.id)))):
        return NoSuchRunError(f"there is no run {run}: `producer status` lists them")
    return NoSuchRunError(f"there is no run {run}, and no other run yet: {_FIRST_RUN}")
