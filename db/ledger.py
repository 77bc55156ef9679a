"""Reads and writes of the worker: leases, predictions, and what is owed."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import CTE, Update, and_, exists, func, or_, select, tuple_, update
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

    batch: BatchKey
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


class PendingImage(NamedTuple):
    """A listed image without a prediction."""

    run_id: int
    id: int
    path: str


class Seconds(NamedTuple):
    """Where the time of a batch went."""

    read: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    write: float = 0.0


_UNTIMED = Seconds()


class Owed(NamedTuple):
    """Unfinished batches: all of them, and those under a running lease."""

    unfinished: int
    leased: int


def take_leases(session: Session, batch: BatchKey, worker: str, seconds: float) -> list[Lease]:
    """Hold the batch for `seconds` by the database's clock, in order of run.

    With it the batches of this number of all runs that were enqueued together with its own. None
    where it is finished, held or unknown.
    """
    together = select(Run.together_id).where(Run.id == batch.run_id).scalar_subquery()
    runs = select(Run.id).where(or_(Run.id == batch.run_id, Run.together_id == together))
    free = _locked(Batch.number == batch.number, Batch.run_id.in_(runs), is_free())
    rows = session.execute(
        update(Batch)
        .where(Batch.number == batch.number, Batch.run_id.in_(select(free.c.run_id)))
        .values(attempts=Batch.attempts + 1, worker=worker, leased_until=Now() + seconds)
        .returning(Batch.run_id, Batch.attempts, Batch.suspect_id, Batch.suspect_starts)
    )
    leases = [
        Lease(BatchKey(run_id, batch.number), attempts, suspect_id, suspect_starts)
        for run_id, attempts, suspect_id, suspect_starts in rows
    ]
    return sorted(leases, key=lambda lease: lease.batch)


def renew_leases(session: Session, worker: str, seconds: float) -> None:
    """Prolong every lease that this worker still holds; one that ran out is not taken back."""
    held = _locked(Batch.worker == worker, Batch.leased_until > Now())
    session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number)))
        .values(leased_until=Now() + seconds)
    )


def release_leases(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give unfinished batches back at once, for anyone's next sweep."""
    session.execute(_held_by(worker, batches).values(leased_until=Now()))


def return_untried(session: Session, batches: Sequence[BatchKey], worker: str) -> None:
    """Give batches back as if they had never been taken."""
    session.execute(
        _held_by(worker, batches).values(leased_until=None, attempts=Batch.attempts - 1)
    )


def pending_images(session: Session, batches: Sequence[BatchKey]) -> list[PendingImage]:
    """Images of these batches without a prediction, by run, in the order they were listed."""
    rows = session.execute(
        select(Image.run_id, Image.id, Image.path)
        .outerjoin(Prediction, Prediction.image_id == Image.id)
        .where(
            or_(*(_lists(batch) for batch in batches)),
            Prediction.image_id.is_(None),
        )
        .order_by(Image.run_id, Image.id)
    )
    return [PendingImage(*row) for row in rows]


def known_digests(session: Session, source: str, paths: Sequence[str]) -> dict[str, str]:
    """Path to the SHA-256 of what was scored there last, in any run of this source."""
    rows = session.execute(
        select(Image.path, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .join(Run, Run.id == Image.run_id)
        .where(
            Run.source == source,
            Image.path.in_(paths),
            Prediction.score.is_not(None),
            Prediction.image_digest.is_not(None),
        )
        .order_by(Prediction.scored_at)
    )
    return {path: digest for path, digest in rows if digest is not None}


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


def lock_batches(session: Session, batches: Sequence[BatchKey]) -> None:
    """Hold the rows of several batches against others, in an order that cannot deadlock."""
    if len(batches) > 1:
        session.execute(
            select(Batch.number)
            .where(or_(*(_is(batch) for batch in batches)))
            .order_by(Batch.run_id)
            .with_for_update()
        )


def finish_batch(session: Session, batch: BatchKey, seconds: Seconds = _UNTIMED) -> bool:
    """Mark the batch finished, if and only if each of its images has its prediction."""
    unscored = exists().where(
        _lists(batch),
        ~exists().where(Prediction.image_id == Image.id),
    )
    done = session.execute(
        update(Batch)
        .where(_is(batch), ~unscored)
        .values(
            finished_at=func.coalesce(Batch.finished_at, Now()),
            leased_until=None,
            **{f"{part}_seconds": value for part, value in seconds._asdict().items()},
        )
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
    found = _locked(lapsed, limit=limit)
    taken = session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(select(found.c.run_id, found.c.number)))
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


def owed_checkpoints(session: Session) -> list[tuple[str, str]]:
    """(digest, precision) of the checkpoints that unfinished batches need."""
    rows = session.execute(
        select(Checkpoint.digest, Run.precision)
        .join(Run, Run.checkpoint_id == Checkpoint.id)
        .where(exists().where(Batch.run_id == Run.id, Batch.finished_at.is_(None)))
        .distinct()
        .order_by(Checkpoint.digest, Run.precision)
    )
    return [(digest, precision) for digest, precision in rows]


def _is(batch: BatchKey) -> ColumnElement[bool]:
    return and_(Batch.run_id == batch.run_id, Batch.number == batch.number)


def _lists(batch: BatchKey) -> ColumnElement[bool]:
    return and_(Image.run_id == batch.run_id, Image.batch == batch.number)


def _held_by(worker: str, batches: Sequence[BatchKey]) -> Update:
    """A change to those of `batches` that this worker holds and has not finished."""
    held = _locked(Batch.worker == worker, or_(*(_is(batch) for batch in batches)))
    return update(Batch).where(
        tuple_(Batch.run_id, Batch.number).in_(select(held.c.run_id, held.c.number))
    )


def _locked(*conditions: ColumnElement[bool], limit: int | None = None) -> CTE:
    """Unfinished batches, those passed over whose row another transaction is changing.

    Nobody waits here with some rows locked and others wanted, so nobody can deadlock. A CTE and not
    a subquery, which PostgreSQL may run again, past the limit.
    """
    return (
        select(Batch.run_id, Batch.number)
        .where(Batch.finished_at.is_(None), *conditions)
        .order_by(Batch.run_id, Batch.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("locked")
    )


def is_free() -> ColumnElement[bool]:
    """Nobody holds the batch: no lease was taken, or it ran out by the database's clock."""
    # Up to and including now: SQLite's clock ticks in milliseconds, and a lease given back is free.
    return or_(Batch.leased_until.is_(None), Batch.leased_until <= Now())
