"""Reads and writes of thresholds that were chosen on a run."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import ChosenThreshold, Run


class Chosen(NamedTuple):
    """A chosen threshold and the run it was chosen on; `created_at` is in seconds since 1970."""

    value: float
    kind: str
    how: str
    run_id: int
    source: str
    created_at: float


def add_threshold(session: Session, run: Run, kind: str, value: float, how: str) -> None:
    """Keep a threshold for the runs of this run's checkpoint."""
    session.add(
        ChosenThreshold(
            checkpoint_id=run.checkpoint_id, run_id=run.id, kind=kind, value=value, how=how
        )
    )
    session.flush()


def chosen_last(session: Session, checkpoint_id: int) -> Chosen | None:
    """The threshold of this checkpoint that was chosen last."""
    row = session.execute(
        select(
            ChosenThreshold.value,
            ChosenThreshold.kind,
            ChosenThreshold.how,
            ChosenThreshold.run_id,
            Run.source,
            ChosenThreshold.created_at,
        )
        .join(Run, Run.id == ChosenThreshold.run_id)
        .where(ChosenThreshold.checkpoint_id == checkpoint_id)
        .order_by(ChosenThreshold.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Chosen(*row)
