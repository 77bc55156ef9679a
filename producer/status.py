"""The data of `producer status` and `producer runs`, before it is shown in any form."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from base.console.shell import typed
from db.queries.refusals import Refused, is_refused_by_all, refusals_of
from db.queries.results import Progress, errors, failed_wholly, progress, staged, throughput
from db.queries.resuming import enqueue_again
from db.queries.runs import all_runs, checkpoint_of, get_run
from db.queries.speeds import HostSpeed, speeds_of
from db.queries.status import WorkerState, work_on, workers
from db.tables import Checkpoint, Run
from db.throughput import seconds_left
from imaging.nothing_scored import nothing_scored
from model.card import read_checkpoint_card
from model.errors import CheckpointError
from producer.diagnosis import RunState, diagnose


class RunStatus(NamedTuple):
    """A run: its settings, its progress, and why it makes none.

    `begun` is in seconds since 1970; `images_per_second` is as `db.throughput` defines it;
    `refused` are its refusals, `speeds` how fast its precision is on each host that was timed.
    """

    run: int
    name: str | None
    source: str
    checkpoint: str
    precision: str
    begun: float
    counts: Progress
    errors: dict[str, int]
    images_per_second: float
    stuck: list[str]
    refused: list[Refused]
    views: int = 1
    speeds: Sequence[HostSpeed] = ()

    @property
    def seconds_left(self) -> float | None:
        """The time left at this throughput; None if unknown."""
        return seconds_left(self.counts.pending, self.images_per_second)


class Status(NamedTuple):
    """Everything that is shown."""

    runs: list[RunStatus]
    workers: list[WorkerState]


def read_status(session: Session, run: str | None, broker: str | None) -> Status:
    """The status of one run, or of all, oldest first; `broker` says what is wrong with the broker.

    Raises:
        NoSuchRunError: there is no such run.
    """
    runs = all_runs(session) if run is None else [get_run(session, run)]
    known = workers(session)
    alive = sum(worker.alive for worker in known)
    return Status([_status(session, shown_run, broker, alive) for shown_run in runs], known)


def _status(session: Session, run: Run, broker: str | None, alive: int) -> RunStatus:
    counts = progress(session, run.id)
    checkpoint = checkpoint_of(session, run)
    refused = refusals_of(session, run.id) if counts.pending else []
    return RunStatus(
        run=run.id,
        name=run.name,
        source=run.source,
        checkpoint=run.precision if checkpoint.imported else checkpoint.digest,
        precision=run.precision,
        begun=run.created_at,
        counts=counts,
        errors=errors(session, run.id) if counts.unreadable else {},
        images_per_second=throughput(session, run.id),
        stuck=_stuck(session, run, counts, refused, broker, alive),
        refused=refused,
        views=run.views,
        speeds=speeds_of(session, run.id),
    )


def _stuck(
    session: Session,
    run: Run,
    counts: Progress,
    refused: list[Refused],
    broker: str | None,
    alive: int,
) -> list[str]:
    if not counts.pending:
        failed = failed_wholly(session, run.id) if not counts.scored else None
        return [] if failed is None else [nothing_scored(run.id, *failed)]
    work = work_on(session, run.id)
    return diagnose(
        RunState(
            again=_again(session, run),
            counts=counts,
            staged=staged(session, run.id),
            work=work,
            # Digesting takes a while, so it is not done while a run makes progress.
            checkpoint=_checkpoint_fault(checkpoint_of(session, run)) if work.is_idle else None,
            broker=broker,
            alive=alive,
            refused=refused,
            by_all=is_refused_by_all(session, refused, work.held),
        )
    )


def _again(session: Session, run: Run) -> str | None:
    words = enqueue_again(session, run)
    return typed(*words) if words else None


def _checkpoint_fault(checkpoint: Checkpoint) -> str | None:
    try:
        found = read_checkpoint_card(Path(checkpoint.path)).digest
    except CheckpointError as error:
        return f"its checkpoint cannot be read from here: {error.message}"
    if found != checkpoint.digest:
        return f"{checkpoint.path} is another checkpoint than the run's ({found[:12]})"
    return None
