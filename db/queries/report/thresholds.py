"""Reads and writes of thresholds that were chosen on a run."""

from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from db.tables import Checkpoint, ChosenThreshold, Run

# The name of the model that imported scores are of, in their card.
_MODEL = Checkpoint.card[("imported", "model")].as_string()


class Chosen(NamedTuple):
    """A chosen threshold and the run it was chosen on; `created_at` is in seconds since 1970.

    It is for runs of as many `views`: the mean of several spreads less than a single score.
    """

    number: int
    checkpoint_id: int
    value: float
    kind: str
    how: str
    run_id: int
    source: str
    created_at: float
    views: int


class Chooser(NamedTuple):
    """A checkpoint, and the threshold in its model card: None, or any JSON value found there.

    `model` is the name that was given to the model of imported scores.
    """

    checkpoint_id: int
    digest: str
    path: str
    card_threshold: Any
    model: str | None = None


def add_threshold(session: Session, run: Run, kind: str, value: float, how: str) -> int:
    """Keep a threshold for all runs of this run's checkpoint; returns its id."""
    chosen = ChosenThreshold(
        checkpoint_id=run.checkpoint_id, run_id=run.id, kind=kind, value=value, how=how
    )
    session.add(chosen)
    session.flush()
    return chosen.id


def chosen_last(session: Session, checkpoint_id: int, views: int) -> Chosen | None:
    """The newest threshold chosen for this checkpoint, or its model, and as many views."""
    alike = ChosenThreshold.checkpoint_id.in_(same_model(session, checkpoint_id))
    row = session.execute(_chosen().where(alike, Run.views == views).limit(1)).one_or_none()
    return None if row is None else Chosen(*row)


def chosen_on(session: Session, run_id: int) -> Chosen | None:
    """The threshold that was chosen last on this run."""
    row = session.execute(_chosen().where(ChosenThreshold.run_id == run_id).limit(1)).one_or_none()
    return None if row is None else Chosen(*row)


def same_model(session: Session, checkpoint_id: int) -> list[int]:
    """The checkpoint, and imported ones whose scores are of the same model, by its name."""
    name = session.scalar(select(_MODEL).where(Checkpoint.id == checkpoint_id))
    if name is None:
        return [checkpoint_id]
    alike = select(Checkpoint.id).where(Checkpoint.imported.is_(True), name == _MODEL)
    return list(session.scalars(alike))


def all_chosen(session: Session) -> list[Chosen]:
    """Every threshold that was chosen, newest first."""
    return [Chosen(*row) for row in session.execute(_chosen())]


def choosers(session: Session) -> list[Chooser]:
    """Every checkpoint, newest first, with the threshold only from its card, which may be long."""
    rows = session.execute(
        select(
            Checkpoint.id,
            Checkpoint.digest,
            Checkpoint.path,
            Checkpoint.card["threshold"],
            _MODEL,
        ).order_by(Checkpoint.id.desc())
    )
    return [Chooser(*row) for row in rows]


def forget_threshold(session: Session, threshold_id: int) -> Chosen | None:
    """Delete the threshold with this id; returns it, or None if there is none."""
    row = session.execute(_chosen().where(ChosenThreshold.id == threshold_id)).one_or_none()
    session.execute(delete(ChosenThreshold).where(ChosenThreshold.id == threshold_id))
    return None if row is None else Chosen(*row)


def _chosen() -> Select[int, int, float, str, str, int, str, float, int]:
    return (
        select(
            ChosenThreshold.id,
            ChosenThreshold.checkpoint_id,
            ChosenThreshold.value,
            ChosenThreshold.kind,
            ChosenThreshold.how,
            ChosenThreshold.run_id,
            Run.source,
            ChosenThreshold.created_at,
            Run.views,
        )
        .join(Run, Run.id == ChosenThreshold.run_id)
        .order_by(ChosenThreshold.id.desc())
    )
