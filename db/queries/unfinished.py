"""Reads and writes of the sweep: unfinished batches, and those that no worker works on."""

from typing import NamedTuple

from sqlalchemy import and_, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from db.clock import Now
from db.connection.planning import unindexed
from db.queries.leases import BatchKey, is_free, is_unfinished, locked
from db.queries.refusals import stopped_runs
from db.tables import Batch, Checkpoint, Run

# Otherwise, after a worker's death, a long queue would grow by every batch that waits in it.
PATIENCE = 10


class Unfinished(NamedTuple):
    """Unfinished batches: all of them, and those under a running lease."""

    unfinished: int
    leased: int


def claim_expired(
    session: Session, republish_seconds: float, *, unstarted: bool, limit: int = 1000
) -> list[BatchKey]:
    """Claim batches that no worker works on, to publish them; each sweep gets its own.

    A batch is claimed when its lease has expired. With `unstarted` (the queue is empty) it is also
    claimed if it was published `republish_seconds` ago and no worker took it since: its message was
    lost. While other messages wait, its own is probably among them: then a batch that was started
    before is sent again only after PATIENCE times as long, and any other is left alone.
    """
    ran_out = Batch.leased_until < Now()
    patience = 1 if unstarted else PATIENCE
    not_just_sent = or_(
        Batch.published_at.is_(None), Batch.published_at < Now() - patience * republish_seconds
    )
    expired = and_(ran_out, or_(not_just_sent, Batch.published_at <= Batch.leased_until))
    if unstarted:
        expired = or_(expired, and_(Batch.leased_until.is_(None), not_just_sent))
    # No worker would take the batches of a stopped run.
    in_vain = Batch.run_id.in_(stopped_runs())
    found = locked(is_unfinished(named=False), expired, ~in_vain, limit=limit)
    taken = session.execute(
        update(Batch)
        .where(tuple_(Batch.run_id, Batch.number).in_(select(found.c.run_id, found.c.number)))
        .values(published_at=Now())
        .returning(Batch.run_id, Batch.number)
    )
    return sorted(BatchKey(*row) for row in taken)


def count_unfinished(session: Session) -> Unfinished:
    """How much is left to do, over all runs."""
    row = session.execute(
        select(
            func.count(),
            func.count().filter(~is_free()),
        ).where(is_unfinished(named=False))
    ).one()
    return Unfinished(*row)


def unfinished_checkpoints(session: Session) -> list[tuple[str, str]]:
    """(digest, precision) of the checkpoints that unfinished batches need."""
    rows = session.execute(
        select(Checkpoint.digest, Run.precision)
        .join(Run, Run.checkpoint_id == Checkpoint.id)
        .where(Run.id.in_(unfinished_runs(session)))
        .distinct()
        .order_by(Checkpoint.digest, Run.precision)
    )
    return [(digest, precision) for digest, precision in rows]


def unfinished_runs(session: Session) -> list[int]:
    """The ids of runs with an unfinished batch."""
    owing = select(unindexed(Batch.run_id)).where(is_unfinished(named=False))
    return sorted(session.scalars(owing.distinct()))
