"""Reads of `report export` and `report compare`: images with their outcome, streamed."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.results import ScoredImage
from db.tables import Image, Prediction

# Rows in memory at a time.
CHUNK = 10_000


class ExportedImage(NamedTuple):
    """An image and its outcome: a score, or an error with its sentence."""

    path: str
    label: int | None
    score: float | None
    error: str | None
    detail: str | None
    image_digest: str | None
    attributes: dict[str, str] | None


def stream_images(session: Session, run_id: int) -> Iterator[list[ExportedImage]]:
    """The run's images with a prediction in chunks, in the order they were listed."""
    rows = session.execute(
        select(
            Image.path,
            Image.label,
            Prediction.score,
            Prediction.error,
            Prediction.detail,
            Prediction.image_digest,
            Image.attributes,
        )
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id)
        .order_by(Image.batch, Image.id),
        execution_options={"yield_per": CHUNK},
    )
    for chunk in rows.partitions():
        yield [ExportedImage(*row) for row in chunk]


def stream_scored(session: Session, run_id: int) -> Iterator[ScoredImage]:
    """The run's scored images one by one, in the order they were listed."""
    rows = session.execute(
        select(Image.path, Image.label, Prediction.score, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.score.is_not(None))
        .order_by(Image.batch, Image.id),
        execution_options={"yield_per": CHUNK},
    )
    for path, label, score, digest in rows:
        yield ScoredImage(path, label, score or 0.0, digest)  # it is not None: see WHERE
