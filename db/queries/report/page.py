"""Reads of the report's page: the most confident errors, unreadable images, and times."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables import Checkpoint, Image, Prediction, Run


class ScoredCase(NamedTuple):
    """A scored image, and the SHA-256 of the bytes that were scored (None: not stored)."""

    path: str
    attributes: Mapping[str, str]
    score: float
    digest: str | None


class UnreadableCase(NamedTuple):
    """An image without a score: the error's code, and its stored detail."""

    path: str
    error: str
    detail: str


class Times(NamedTuple):
    """Seconds since 1970-01-01 UTC; None if nothing was stored. `workers` is a count."""

    listed: float
    first_scored: float | None
    last_scored: float | None
    checkpoint_entered: float
    workers: int


def extremes(session: Session, run_id: int, label: int, count: int) -> list[ScoredCase]:
    """The `count` images of this label whose scores are furthest from it, furthest first.

    They are the most confident errors at every threshold: the false negatives (label 1) or false
    positives (label 0) at a threshold come first among them.
    """
    order = Prediction.score.asc() if label == 1 else Prediction.score.desc()
    rows = session.execute(
        select(Image.path, Image.attributes, Prediction.score, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Image.label == label, Prediction.score.is_not(None))
        .order_by(order, Image.id)
        .limit(count)
    )
    return [
        ScoredCase(path, attributes or {}, score, digest)
        for path, attributes, score, digest in rows
        if score is not None
    ]


def unreadable(session: Session, run_id: int, count: int) -> list[UnreadableCase]:
    """At most `count` images without a score, by error code and in the order of the listing."""
    rows = session.execute(
        select(Image.path, Prediction.error, Prediction.detail)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.error.is_not(None))
        .order_by(Prediction.error, Image.id)
        .limit(count)
    )
    return [UnreadableCase(path, error or "", detail or "") for path, error, detail in rows]


def times(session: Session, run_id: int) -> Times:
    """When a run was listed and scored, by how many workers, and its checkpoint's time."""
    first, last, workers = session.execute(
        select(
            func.min(Prediction.scored_at),
            func.max(Prediction.scored_at),
            func.count(Prediction.worker.distinct()),
        )
        .join(Image, Image.id == Prediction.image_id)
        .where(Image.run_id == run_id)
    ).one()
    listed, entered = session.execute(
        select(Run.created_at, Checkpoint.created_at)
        .join(Checkpoint, Checkpoint.id == Run.checkpoint_id)
        .where(Run.id == run_id)
    ).one()
    return Times(listed, first, last, entered, workers)
