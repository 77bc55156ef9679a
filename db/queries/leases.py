"""Leases: which worker works on which batch, and what is left of it.

This is the hot path of a worker, so it uses Core statements that are built once; the ORM's would
cost several times as much.
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
    """The identity of a batch, as messages carry it."""

    run_id: int
    number: int

    def bound(self) -> dict[str, int]:
        """The values for `is_this` and `lists`."""
        return {"this_run": self.run_id, "this_number": self.number}


def name_of(batches: Sequence[BatchKey]) -> str:
    """The name of batches of one number in the log."""
    runs = ", ".join(str(batch.run_id) for batch in batches)
    return f"run{'s' if len(batches) > 1 else ''} {runs} batch {batches[0].number}"


class Lease(NamedTuple):
    """A batch that a worker holds; `attempts` includes this attempt."""

    batch: BatchKey
    attempts: int
    suspect_id: int | None
    suspect_starts: int


class PendingImage(NamedTuple):
    """A listed image without a prediction; `sha256` is its digest in the manifest, if given."""

    run_id: int
    id: int
    path: str
    sha256: str | None = None


def is_this(batches: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table
    """Selects the row of the batch whose `BatchKey.bound` is passed when the statement runs."""
    return and_(
        batches.c.run_id == bindparam("this_run"), batches.c.number == bindparam("this_number")
    )


def lists(images: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a table
    """Selects the images of that batch."""
    return and_(
        images.c.run_id == bindparam("this_run"), images.c.batch == bindparam("this_number")
    )


def is_free() -> ColumnElement[bool]:
    """No worker holds the batch: it was not leased, or its lease expired (database's clock)."""
    # Including now: SQLite's clock ticks in milliseconds, and a batch given back is free at once.
    return or_(Batch.leased_until.is_(None), Batch.leased_until <= Now())


def is_unfinished(*, named: bool) -> ColumnElement[bool]:
    """The batch is not finished yet.

    Use `named` for batches found by their key; otherwise each lookup could read all unfinished
    ones.
    """
    finished_at = unindexed(Batch.finished_at) if named else Batch.finished_at
    return finished_at.is_(None)


def locked(*conditions: ColumnElement[bool], limit: int | None = None) -> CTE:
    """Batches that meet the conditions, without those whose row another transaction is changing.

    No transaction waits here while it holds locks, so there can be no deadlock. It is a CTE and not
    a subquery, because PostgreSQL may run a subquery again, past the limit.
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
    """Lease the batch for `seconds` by the database's clock; returns leases ordered by run.

    Includes the batches of this number in all runs of its group. Leaves out batches that are
    finished, held or unknown.
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
    """Images without a prediction in batches of one number, by run, in the order of the listing."""
    if not batches:
        return []
    values = {"runs": [batch.run_id for batch in batches], "this_number": batches[0].number}
    return [PendingImage(*row) for row in session.connection().execute(_PENDING, values)]


def renew_leases(
    session: Session, worker: str, seconds: float, batches: Sequence[BatchKey] | None = None
) -> None:
    """Renew this worker's leases of `batches`, or all of them; expired ones stay expired."""
    unfinished = is_unfinished(named=batches is not None)
    chosen = [] if batches is None else [_one_of(batches)]
    held = locked(Batch.worker == worker, unfinished, Batch.leased_until > Now(), *chosen)
    session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number)))
        .values(leased_until=Now() + seconds)
    )


def still_held(session: Session, batches: Sequence[BatchKey], worker: str) -> bool:
    """Whether this worker still holds all of these; it does until the transaction ends."""
    held = session.scalars(
        select(Batch.number)
        .where(Batch.worker == worker, is_unfinished(named=True), _one_of(batches))
        .order_by(Batch.run_id)
        .with_for_update()
    )
    return len(held.all()) == len(batches)


def release_leases(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give unfinished batches back at once, for the next sweep of any worker."""
    session.execute(_held_by(worker, batches).values(leased_until=Now()))


def return_untried(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give batches back as if they had never been taken."""
    session.execute(
        _held_by(worker, batches).values(leased_until=None, attempts=Batch.attempts - 1)
    )


def _held_by(worker: str, batches: Sequence[BatchKey]) -> Update:
    """An update of those of `batches` that this worker holds and has not finished."""
    held = locked(Batch.worker == worker, is_unfinished(named=True), _one_of(batches))
    return update(Batch).where(
        tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number))
    )


def _one_of(batches: Sequence[BatchKey]) -> ColumnElement[bool]:
    return or_(
        *(and_(Batch.run_id == batch.run_id, Batch.number == batch.number) for batch in batches)
    )
