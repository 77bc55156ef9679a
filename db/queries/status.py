"""Reads of `producer status`: which worker works on what, and what is not being worked on."""

from typing import NamedTuple

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from db.clock import Now
from db.queries.workers import alive
from db.tables import Batch


class WorkerState(NamedTuple):
    """A worker as the ledger knows it; if it is not `alive`, it has ended or was killed.

    `finished` and `finished_seconds_ago` describe the batch that it finished last, None before the
    first; `held` are the batches under a running lease, which expires in `lease_seconds`.
    """

    name: str
    alive: bool
    finished: str | None
    finished_seconds_ago: float | None
    held: list[str]
    lease_seconds: float | None


class BatchCounts(NamedTuple):
    """Batches of a run: unfinished, under a running lease, finished in the last minute.

    `attempts` is the most that an unfinished batch has had.
    """

    unfinished: int
    held: int
    finished_lately: int
    attempts: int

    @property
    def is_idle(self) -> bool:
        """Whether batches are unfinished and no worker is working on them."""
        return bool(self.unfinished and not self.held and not self.finished_lately)


def work_on(session: Session, run_id: int, lately: float = 60) -> BatchCounts:
    """The batch counts of a run; `lately` in seconds."""
    unfinished = Batch.finished_at.is_(None)
    row = session.execute(
        select(
            func.count().filter(unfinished),
            func.count().filter(and_(unfinished, Batch.leased_until > Now())),
            func.count().filter(Batch.finished_at > Now() - lately),
            func.coalesce(func.max(case((unfinished, Batch.attempts), else_=0)), 0),
        ).where(Batch.run_id == run_id)
    ).one()
    return BatchCounts(*row)


def workers(session: Session, lately: float = 600) -> list[WorkerState]:
    """Workers that are alive, hold a batch, or finished one in the last seconds, by name."""
    now = select(Now()).scalar_subquery()  # one value, by which an index can find rows
    rows = session.execute(
        select(
            Batch.worker,
            Batch.run_id,
            Batch.number,
            now - Batch.finished_at,
            Batch.leased_until - now,
        )
        .where(
            Batch.worker.is_not(None),
            or_(
                Batch.finished_at > now - lately,
                and_(Batch.finished_at.is_(None), Batch.leased_until > now),
            ),
        )
        .order_by(Batch.worker, Batch.finished_at, Batch.run_id, Batch.number)
    )
    found = {name: WorkerState(name, True, None, None, [], None) for name in alive(session)}
    for worker, run_id, batch_number, ago, left in rows:
        name = str(worker)
        state = found.get(name, WorkerState(name, False, None, None, [], None))
        batch = f"run {run_id} batch {batch_number}"
        found[name] = (
            state._replace(finished=batch, finished_seconds_ago=ago)
            if ago is not None
            # A worker of an older release shows that it is alive only by its leases.
            else state._replace(alive=True, held=[*state.held, batch], lease_seconds=left)
        )
    return [found[name] for name in sorted(found)]
