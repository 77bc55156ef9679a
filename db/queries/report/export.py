"""Reads of `report export` and `report compare`: images with their outcome, streamed."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.connection.bulk import driver_errors
from db.queries.results import ScoredImage
from db.tables import Image, Prediction

# Rows in memory at a time.
CHUNK = 10_000


# Straight from the driver: SQLAlchemy's own rows took most of the time of an export.
_IMAGES = (
    "SELECT path, label, score, error, detail, image_digest, CAST(attributes AS text), "
    "CAST(probabilities AS text) "
    "FROM images JOIN predictions ON image_id = images.id WHERE run_id = {} "
    "ORDER BY images.batch, images.id"
)


class ExportedImage(NamedTuple):
    """An image and its outcome: a score, or an error and its detail.

    `attributes` and `probabilities` are JSON text.
    """

    path: str
    label: int | None
    score: float | None
    error: str | None
    detail: str | None
    image_digest: str | None
    attributes: str | None
    probabilities: str | None = None


def stream_images(session: Session, run_id: int) -> Generator[list[ExportedImage], None, None]:
    """The run's images with a prediction, in chunks, in listing order; close the generator."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    with driver_errors(connection, _IMAGES):
        if connection.dialect.name == "postgresql":
            # A named cursor: the server keeps the rows and returns them in chunks.
            rows = driver.cursor("exported", binary=True)
            rows.execute(_IMAGES.format("%s"), (run_id,))
        else:
            rows = driver.execute(_IMAGES.format("?"), (run_id,))
        with closing(rows):
            while chunk := rows.fetchmany(CHUNK):
                yield list(map(ExportedImage._make, chunk))


def stream_scored(session: Session, run_id: int) -> Iterator[ScoredImage]:
    """The run's scored images one by one, in the order of the listing."""
    rows = session.execute(
        select(Image.path, Image.label, Prediction.score, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.score.is_not(None))
        .order_by(Image.batch, Image.id),
        execution_options={"yield_per": CHUNK},
    )
    for path, label, score, digest in rows:
        yield ScoredImage(path, label, score or 0.0, digest)  # it is not None: see WHERE
