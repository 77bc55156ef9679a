"""Checkpoints that workers refuse, and why; written by workers, read by commands that wait.

A refusal is made by one worker, for a checkpoint in a precision: another worker may have the file.
A refusal that `stops` is about a model that gave an invalid score: it holds for every worker.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Select, delete, func, or_, select, text, tuple_
from sqlalchemy.orm import Session

from db.clock import Now
from db.queries.workers import ALIVE_SECONDS, alive
from db.tables import Checkpoint, Refusal, Run, Worker

# How long a refusal is shown after its worker ended, and how long it is kept at all.
_TOLD_SECONDS, _KEPT_SECONDS = 600.0, 86_400.0
# A checkpoint whose loading hung in this many workers is not loaded again.
MOST_HANGS = 3
_HUNG = "loading it did not end within"
_NOTE = text(
    "INSERT INTO refusals (worker, digest, precision, reason, stops)"
    " VALUES (:worker, :digest, :precision, :reason, :stops)"
    " ON CONFLICT (worker, digest, precision) DO UPDATE SET"
    " reason = excluded.reason, stops = excluded.stops, refused_at = excluded.refused_at"
)


class Wanted(NamedTuple):
    """A checkpoint, and the precision to load it in."""

    digest: str
    precision: str


class Refused(NamedTuple):
    """One worker's refusal; it `counts` while the worker lives, or if it has just ended by it."""

    worker: str
    reason: str
    stops: bool
    seconds_ago: float
    counts: bool


def note_refusal(
    session: Session, worker: str, wanted: Wanted, reason: str, *, stops: bool = False
) -> None:
    """Note that the worker refuses to score with this, or (`stops`) that no worker should."""
    session.execute(
        delete(Refusal).where(Refusal.stops.is_(False), Refusal.refused_at < Now() - _KEPT_SECONDS)
    )
    values = {"worker": worker, **wanted._asdict(), "reason": reason, "stops": stops}
    session.connection().execute(_NOTE, values)


def note_hung(session: Session, worker: str, wanted: Wanted, seconds: float) -> None:
    """Note that loading this hung and ends the worker; after MOST_HANGS no worker should try."""
    reason = f"{_HUNG} {seconds:.0f} seconds (HANG_SECONDS)"
    note_refusal(session, worker, wanted, reason)
    hung = session.scalar(
        select(func.count())
        .select_from(Refusal)
        .where(
            Refusal.digest == wanted.digest,
            Refusal.precision == wanted.precision,
            Refusal.reason.startswith(_HUNG),
        )
    )
    if hung is not None and hung >= MOST_HANGS:
        note_refusal(session, worker, wanted, f"{reason}, in {hung} workers", stops=True)


def why_not_loaded(session: Session, wanted: Wanted) -> str | None:
    """Why no worker should load this any more, if loading it hung too often."""
    return session.scalar(
        select(Refusal.reason)
        .where(
            Refusal.digest == wanted.digest,
            Refusal.precision == wanted.precision,
            Refusal.stops.is_(True),
            Refusal.reason.startswith(_HUNG),
        )
        .limit(1)
    )


def clear_refusal(session: Session, worker: str, wanted: Wanted) -> None:
    """Note that the worker can score with it now."""
    session.execute(
        delete(Refusal).where(
            Refusal.worker == worker,
            Refusal.digest == wanted.digest,
            Refusal.precision == wanted.precision,
            Refusal.stops.is_(False),
        )
    )


def forget_refusals(session: Session, run_ids: Sequence[int], *, stops: bool = False) -> None:
    """Forget the refusals of runs that are tried again; with `stops` also of stopped runs."""
    wanted = (
        select(Checkpoint.digest, Run.precision)
        .join(Run, Run.checkpoint_id == Checkpoint.id)
        .where(Run.id.in_(run_ids))
    )
    kept = [] if stops else [Refusal.stops.is_(False)]
    session.execute(
        delete(Refusal).where(tuple_(Refusal.digest, Refusal.precision).in_(wanted), *kept)
    )


def stopped_runs() -> Select[int]:
    """The ids of runs whose model gave an invalid score."""
    return (
        select(Run.id)
        .join(Checkpoint, Checkpoint.id == Run.checkpoint_id)
        .join(Refusal, (Refusal.digest == Checkpoint.digest) & (Refusal.precision == Run.precision))
        .where(Refusal.stops.is_(True))
    )


def why_stopped(session: Session, run_ids: Sequence[int]) -> dict[int, str]:
    """The reason for each of `run_ids` that is stopped."""
    rows = session.execute(stopped_runs().add_columns(Refusal.reason).where(Run.id.in_(run_ids)))
    return {row.id: row.reason for row in rows}


def stops(session: Session) -> dict[Wanted, str]:
    """The reason for each checkpoint and precision that is stopped."""
    rows = session.execute(
        select(Refusal.digest, Refusal.precision, Refusal.reason).where(Refusal.stops.is_(True))
    )
    return {Wanted(digest, precision): reason for digest, precision, reason in rows}


def refusals_of(session: Session, run_id: int) -> list[Refused]:
    """The refusals of this run, newest first; those of ended workers for ten minutes."""
    age = Now() - Refusal.refused_at
    lives = Worker.seen_at > Now() - ALIVE_SECONDS
    rows = session.execute(
        select(
            Refusal.worker,
            Refusal.reason,
            Refusal.stops,
            age,
            or_(Refusal.stops, age < ALIVE_SECONDS, Worker.name.is_not(None)),
        )
        .select_from(Run)
        .join(Checkpoint, Checkpoint.id == Run.checkpoint_id)
        .join(Refusal, (Refusal.digest == Checkpoint.digest) & (Refusal.precision == Run.precision))
        .outerjoin(Worker, (Worker.name == Refusal.worker) & lives)
        .where(
            Run.id == run_id,
            or_(Refusal.stops, Worker.name.is_not(None), age < _TOLD_SECONDS),
        )
        .order_by(age, Refusal.worker)
    )
    return [
        Refused(worker, why, halts, ago, bool(counts)) for worker, why, halts, ago, counts in rows
    ]


def is_refused_by_all(session: Session, found: Sequence[Refused], held: int) -> bool:
    """Whether no worker will score the run as things are, judging by `refusals_of`.

    Its model was stopped, or every living worker refuses it and none holds one of its `held`
    batches.
    """
    if any(refusal.stops for refusal in found):
        return True
    refusing = {refusal.worker for refusal in found if refusal.counts}
    return bool(refusing) and not held and alive(session) <= refusing
