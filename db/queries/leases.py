"""Leases: who works on which batch, and what is left to do of it.

The hot path of a worker: Core statements, built once, where the ORM's would cost several times what
they do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import CTE, Update, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from db.clock import Now
from db.connection.planning import unindexed
from db.tables import Batch, Image, Prediction, Run


class BatchKey(NamedTuple):
    """What a message carries."""

    run_id: int
    number: int

    def bound(self) -> dict[str, int]:
        """The values for `is_this` and `lists`."""
        return {"this_run": self.run_id, "this_number": self.number}


def name_of(batches: Sequence[BatchKey]) -> str:
    """What batches of one number are called in the log."""
    runs = ", ".join(str(batch.run_id) for batch in batches)
    return f"run{'s' if len(batches) > 1 else ''} {runs} batch {batches[0].number}"


class Lease(NamedTuple):
    """A worker's hold on a batch; `attempts` counts this one."""

    batch: BatchKey
    attempts: int
    suspect_id: int | None
    suspect_starts: int


class PendingImage(NamedTuple):
    """A listed image without a prediction; `sha256` is what its manifest says of it, if it does."""

    run_id: int
    id: int
    path: str
    sha256: str | None = None


def is_this(batches: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table
    """The row of a batch whose `BatchKey.bound` is given when the statement is run."""
    return and_(
        batches.c.run_id == bindparam("this_run"), batches.c.number == bindparam("this_number")
    )


def lists(images: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table
    """The images of that batch."""
    return and_(
        images.c.run_id == bindparam("this_run"), images.c.batch == bindparam("this_number")
    )


def is_free() -> ColumnElement[bool]:
    """Nobody holds the batch: no lease was taken, or it ran out by the database's clock."""
    # Up to and including now: SQLite's clock ticks in milliseconds, and a lease given back is free.
    return or_(Batch.leased_until.is_(None), Batch.leased_until <= Now())


def is_unfinished(*, named: bool) -> ColumnElement[bool]:
    """Nobody finished the batch yet.

    With `named` batches are found by their key; or each look at one would read all unfinished ones.
    """
    finished_at = unindexed(Batch.finished_at) if named else Batch.finished_at
    return finished_at.is_(None)


def locked(*conditions: ColumnElement[bool], limit: int | None = None) -> CTE:
    """Batches for which this holds, those passed over whose row another transaction is changing.

    Nobody waits here with some rows locked and others wanted, so nobody can deadlock. A CTE and not
    a subquery, which PostgreSQL may run again, past the limit.
    """
    return (
        select(Batch.run_id, Batch.number)
        .where(*conditions)
        .order_by(unindexed(Batch.run_id), Batch.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("locked")
    )


_batches: Any = Batch.__table__
_images: Any = Image.__table__
_predictions: Any = Prediction.__table__
_runs: Any = Run.__table__


def _taking() -> Any:  # noqa: ANN401 - an SQL statement
    this_run: Any = bindparam("this_run")
    this_number: Any = bindparam("this_number")
    group = select(_runs.c.together_id).where(_runs.c.id == this_run).scalar_subquery()
    grouped_runs = select(_runs.c.id).where(
        or_(_runs.c.id == this_run, _runs.c.together_id == group)
    )
    unfinished = is_unfinished(named=True)
    free_batches = locked(
        Batch.number == this_number, Batch.run_id.in_(grouped_runs), unfinished, is_free()
    )
    return (
        update(_batches)
        .where(
            _batches.c.number == this_number, _batches.c.run_id.in_(select(free_batches.c.run_id))
        )
        .values(
            attempts=_batches.c.attempts + 1,
            worker=bindparam("holder"),
            leased_until=Now() + bindparam("seconds"),
        )
        .returning(
            _batches.c.run_id,
            _batches.c.attempts,
            _batches.c.suspect_id,
            _batches.c.suspect_starts,
        )
    )


_TAKE = _taking()
_PENDING = (
    select(
        _images.c.run_id,
        _images.c.id,
        _images.c.path,
        _images.c.attributes["sha256"].as_string(),
    )
    .outerjoin(_predictions, _predictions.c.image_id == _images.c.id)
    .where(
        _images.c.run_id.in_(bindparam("runs", expanding=True)),
        _images.c.batch == bindparam("this_number"),
        _predictions.c.image_id.is_(None),
    )
    .order_by(_images.c.run_id, _images.c.id)
)


def take_leases(session: Session, batch: BatchKey, worker: str, seconds: float) -> list[Lease]:
    """Hold the batch for `seconds` by the database's clock, in order of run.

    With it the batches of this number of all runs that were enqueued together with its own. None
    where it is finished, held or unknown.
    """
    values = {**batch.bound(), "holder": worker, "seconds": seconds}
    leases = [
        Lease(BatchKey(run_id, batch.number), attempts, suspect_id, suspect_starts)
        for run_id, attempts, suspect_id, suspect_starts in session.connection().execute(
            _TAKE, values
        )
    ]
    return sorted(leases, key=lambda lease: lease.batch)


def pending_images(session: Session, batches: Sequence[BatchKey]) -> list[PendingImage]:
    """Images without a prediction of batches of one number, by run, as they were listed."""
    if not batches:
        return []
    values = {"runs": [batch.run_id for batch in batches], "this_number": batches[0].number}
    return [PendingImage(*row) for row in session.connection().execute(_PENDING, values)]


def renew_leases(
    session: Session, worker: str, seconds: float, batches: Sequence[BatchKey] | None = None
) -> None:
    """Prolong leases that this worker still holds, of `batches` or all; none that ran out."""
    owed = is_unfinished(named=batches is not None)
    chosen = [] if batches is None else [_one_of(batches)]
    held = locked(Batch.worker == worker, owed, Batch.leased_until > Now(), *chosen)
    session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number)))
        .values(leased_until=Now() + seconds)
    )


def still_held(session: Session, batches: Sequence[BatchKey], worker: str) -> bool:
    """Whether no other took one of these over; none can until the transaction ends."""
    held = session.scalars(
        select(Batch.number)
        .where(Batch.worker == worker, is_unfinished(named=True), _one_of(batches))
        .order_by(Batch.run_id)
        .with_for_update()
    )
    return len(held.all()) == len(batches)


def release_leases(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give unfinished batches back at once, for anyone's next sweep."""
    session.execute(_held_by(worker, batches).values(leased_until=Now()))


def return_untried(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give batches back as if they had never been taken."""
    session.execute(
        _held_by(worker, batches).values(leased_until=None, attempts=Batch.attempts - 1)
    )


def _held_by(worker: str, batches: Sequence[BatchKey]) -> Update:
    """A change to those of `batches` that this worker holds and has not finished."""
    held = locked(Batch.worker == worker, is_unfinished(named=True), _one_of(batches))
    return update(Batch).where(
        tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number))
    )


def _one_of(batches: Sequence[BatchKey]) -> ColumnElement[bool]:
    return or_(
        *(and_(Batch.run_id == batch.run_id, Batch.number == batch.number) for batch in batches)
    )
