"""A run's images by column, straight from the driver into numpy: a million take a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.tables import Image, Prediction

PENDING, SCORED, UNREADABLE = 0, 1, 2
_COLUMNS = """
SELECT CAST(coalesce(label, -1) AS smallint),
       CAST(CASE WHEN predictions.image_id IS NULL THEN 0 WHEN score IS NULL THEN 2 ELSE 1 END
            AS smallint),
       coalesce(score, -1.0)
FROM images LEFT JOIN predictions ON predictions.image_id = images.id
WHERE run_id = {}
"""
# PostgreSQL's binary COPY: 19 bytes of header, rows of a count of fields and each field after its
# length, two bytes at the end. No field can be NULL, so every row is as long as the others.
_HEADER, _TRAILER = 19, 2
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(("label_length", ">i4"), ("label", ">i2")),
        *(("outcome_length", ">i4"), ("outcome", ">i2")),
        *(("score_length", ">i4"), ("score", ">f8")),
    ]
)
_ROWS_AT_ONCE = 10_000


class Columns(NamedTuple):
    """All images of a run in no certain order, each `[listed]`.

    `labels` 1, 0 or -1 for unknown; `outcomes` PENDING, SCORED or UNREADABLE; `scores` in [0, 1]
    where the outcome is SCORED, else -1.
    """

    labels: npt.NDArray[np.int8]
    outcomes: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]


class Described(NamedTuple):
    """A scored and labelled image with what its manifest says of it."""

    label: int
    score: float
    attributes: dict[str, str]


def columns(session: Session, run_id: int) -> Columns:
    """Labels, outcomes and scores of the run's images."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return _copied(connection, run_id)
    return _fetched(connection, run_id)


def described(session: Session, run_id: int) -> Iterator[Described]:
    """The run's scored and labelled images with their attributes, one by one."""
    rows = session.execute(
        select(Image.label, Prediction.score, Image.attributes)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Image.label.is_not(None), Prediction.score.is_not(None)),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    for label, score, attributes in rows:
        yield Described(label or 0, score or 0.0, attributes or {})  # neither is None: see WHERE


def _fetched(connection: Connection, run_id: int) -> Columns:
    """Row by row, but each row is gone before the next one comes."""
    kind = np.dtype([("label", np.int8), ("outcome", np.int8), ("score", np.float64)])
    statement = _COLUMNS.format("?")
    driver: Any = connection.connection.driver_connection
    with _errors_of(connection, statement):
        return _apart(np.fromiter(driver.execute(statement, (run_id,)), dtype=kind))


def _copied(connection: Connection, run_id: int) -> Columns:
    statement = f"COPY ({_COLUMNS.format(int(run_id))}) TO STDOUT (FORMAT binary)"
    driver: Any = connection.connection.driver_connection
    with (
        _errors_of(connection, statement),
        driver.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copied = b"".join(copy)
    rows = (len(copied) - _HEADER - _TRAILER) // _ROW.itemsize
    return _apart(np.frombuffer(copied, _ROW, rows, _HEADER))


@contextmanager
def _errors_of(connection: Connection, statement: str) -> Iterator[None]:
    """What SQLAlchemy does for every statement that goes through it."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(statement, None, error) from error


def _apart(rows: npt.NDArray[np.void]) -> Columns:
    return Columns(
        rows["label"].astype(np.int8),
        rows["outcome"].astype(np.int8),
        rows["score"].astype(np.float64),
    )
