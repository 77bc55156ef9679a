"""The read of `report export`: every image of a run with its outcome, streamed."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

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
        .order_by(Image.id),
        execution_options={"yield_per": CHUNK},
    )
    for chunk in rows.partitions():
        yield [ExportedImage(*row) for row in chunk]
