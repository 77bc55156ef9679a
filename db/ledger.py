"""Reads and writes of the worker: leases, predictions, and what is owed."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Row, and_, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from db.clock import Now
from db.tables import Batch, Checkpoint, Image, Prediction, Run


class BatchKey(NamedTuple):
    """What a message carries."""

    run_id: int
    number: int


class Lease(NamedTuple):
    """A worker's hold on a batch; `attempts` counts this one."""

    attempts: int
    suspect_id: int | None
    suspect_starts: int


class Outcome(NamedTuple):
    """The outcome of one image: exactly one of score and error."""

    image_id: int
    score: float | None
    error: str | None
    detail: str | None
    image_digest: str | None


class Owed(NamedTuple):
    """Unfinished batches: all of them, and those under a running lease."""

    unfinished: int
    leased: int


def take_lease(session: Session, batch: BatchKey, worker: str, seconds: float) -> Lease | None:
    """Hold the batch for `seconds` by the database's clock; None if finished, held or unknown."""
    row = session.execute(
        update(Batch)
        .where(_is(batch), Batch.finished_at.is_(None), is_free())
        .values(attempts=Batch.attempts + 1, worker=worker, leased_until=Now() + seconds)
        .returning(Batch.attempts, Batch.suspect_id, Batch.suspect_starts)
    ).one_or_none()
    return None if row is None else Lease(*row)


def renew_leases(session: Session, worker: str, seconds: float) -> None:
    """Prolong every lease that this worker still holds; one that ran out is not taken back."""
    session.execute(
        update(Batch)
        .where(Batch.worker == worker, Batch.finished_at.is_(None), Batch.leased_until > Now())
        .values(leased_until=Now() + seconds)
    )


def release_lease(session: Session, batch: BatchKey, worker: str) -> None:
    """Give an unfinished batch back at once, for anyone's next sweep."""
    session.execute(
        update(Batch)
        .where(_is(batch), Batch.worker == worker, Batch.finished_at.is_(None))
        .values(leased_until=Now())
    )


def pending_images(session: Session, batch: BatchKey) -> Sequence[Row[int, str]]:
    """(id, path) of the batch's images without a prediction, in the order they were listed."""
    return session.execute(
        select(Image.id, Image.path)
        .outerjoin(Prediction, Prediction.image_id == Image.id)
        .where(
            Image.run_id == batch.run_id,
            Image.batch == batch.number,
            Prediction.image_id.is_(None),
        )
        .order_by(Image.id)
    ).all()


def note_start(session: Session, batch: BatchKey, image_id: int, starts: int) -> None:
    """Write down which image is begun next and for which time, before it can do any harm."""
    session.execute(
        update(Batch).where(_is(batch)).values(suspect_id=image_id, suspect_starts=starts)
    )


def store_outcomes(session: Session, worker: str, outcomes: Sequence[Outcome]) -> None:
    """Insert predictions; an image that already has one keeps it."""
    if not outcomes:
        return
    rows = [{**outcome._asdict(), "worker": worker} for outcome in outcomes]
    if session.get_bind().dialect.name == "postgresql":
        session.execute(postgresql.insert(Prediction).on_conflict_do_nothing(), rows)
    else:
        session.execute(sqlite.insert(Prediction).on_conflict_do_nothing(), rows)


def finish_batch(session: Session, batch: BatchKey) -> bool:
    """Mark the batch finished, if and only if each of its images has its prediction."""
    unscored = exists().where(
        Image.run_id == batch.run_id,
        Image.batch == batch.number,
        ~exists().where(Prediction.image_id == Image.id),
    )
    done = session.execute(
        update(Batch)
        .where(_is(batch), ~unscored)
        .values(finished_at=func.coalesce(Batch.finished_at, Now()), leased_until=None)
        .returning(Batch.number)
    )
    return done.first() is not None


def take_lapsed(
    session: Session, republish_seconds: float, *, unstarted: bool, limit: int = 1000
) -> list[BatchKey]:
    """Claim for publishing the batches that nobody works on; each sweep of many gets its own.

    A batch lapses when its lease runs out and, with `unstarted` (the queue is empty), when it was
    published `republish_seconds` ago and nobody ever took it.
    """
    not_just_sent = or_(
        Batch.published_at.is_(None), Batch.published_at < Now() - republish_seconds
    )
    ran_out = and_(
        Batch.leased_until < Now(),
        or_(not_just_sent, Batch.published_at <= Batch.leased_until),
    )
    lapsed = (
        or_(ran_out, and_(Batch.leased_until.is_(None), not_just_sent)) if unstarted else ran_out
    )
    # A CTE and not a subquery, which PostgreSQL may run again, past the limit.
    found = (
        select(Batch.run_id, Batch.number)
        .where(Batch.finished_at.is_(None), lapsed)
        .order_by(Batch.run_id, Batch.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("found")
    )
    numbers = select(found.c.run_id, found.c.number)
    taken = session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(numbers))
        .values(published_at=Now())
        .returning(Batch.run_id, Batch.number)
    )
    return sorted(BatchKey(*row) for row in taken)


def count_owed(session: Session) -> Owed:
    """How much is left to do, over all runs."""
    row = session.execute(
        select(
            func.count(),
            func.count().filter(~is_free()),
        ).where(Batch.finished_at.is_(None))
    ).one()
    return Owed(*row)


def owed_checkpoints(session: Session) -> list[str]:
    """Digests of the checkpoints that unfinished batches need."""
    return list(
        session.scalars(
            select(Checkpoint.digest)
            .where(
                exists().where(
                    Run.checkpoint_id == Checkpoint.id,
                    Batch.run_id == Run.id,
                    Batch.finished_at.is_(None),
                )
            )
            .order_by(Checkpoint.id)
        )
    )


def _is(batch: BatchKey) -> ColumnElement[bool]:
    return and_(Batch.run_id == batch.run_id, Batch.number == batch.number)


def is_free() -> ColumnElement[bool]:
    """Nobody holds the batch: no lease was taken, or it ran out by the database's clock."""
    # Up to and including now: SQLite's clock ticks in milliseconds, and a lease given back is free.
    return or_(Batch.leased_until.is_(None), Batch.leased_until <= Now())
