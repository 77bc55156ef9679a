"""A run's images by column, straight from the driver into numpy: a million take a second."""

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from db.connection.bulk import driver_errors
from db.tables import Image, Prediction

PENDING, SCORED, UNREADABLE = 0, 1, 2
_SCORED_TURNED = 3  # among the outcomes, because it costs nothing there
_FROM = "FROM images LEFT JOIN predictions ON image_id = images.id WHERE run_id = "
_LABEL = "coalesce(label, -1)"
_OUTCOME = (
    "CASE WHEN image_id IS NULL THEN 0 WHEN score IS NULL THEN 2 WHEN orientation > 1 THEN 3 "
    "ELSE 1 END"
)
_SCORE = "coalesce(score, -1.0)"
_SQLITE = f"SELECT {_LABEL}, {_OUTCOME}, {_SCORE} {_FROM} ?"
# PostgreSQL returns all rows in one value, 12 bytes each, so that none becomes an object here.
_POSTGRESQL = (
    f"SELECT string_agg(int2send(CAST({_LABEL} AS int2)) || int2send(CAST({_OUTCOME} AS int2)) "
    f"|| float8send({_SCORE}), '') {_FROM} %s"
)
_SQLITE_WITHOUT = "AND images.id NOT IN (SELECT value FROM json_each(?))"
_POSTGRESQL_WITHOUT = "AND images.id NOT IN (SELECT unnest(CAST(%s AS bigint[])))"
_ROW = np.dtype([("label", ">i2"), ("outcome", ">i2"), ("score", ">f8")])
_ROWS_AT_ONCE = 10_000


class Columns(NamedTuple):
    """All images of a run in no particular order, each array `[listed]`.

    `labels` 1, 0 or -1 for unknown; `outcomes` PENDING, SCORED or UNREADABLE; `scores` in [0, 1] if
    the outcome is SCORED, else -1. `turned` of the scored ones are to be turned, by EXIF.
    """

    labels: npt.NDArray[np.int8]
    outcomes: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]
    turned: int


class Described(NamedTuple):
    """A scored and labelled image with the attributes from its manifest."""

    label: int
    score: float
    attributes: dict[str, str]


def columns(session: Session, run_id: int, left_out: Collection[int] = ()) -> Columns:
    """Labels, outcomes and scores of the run's images, without those with an id of `left_out`."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return _aggregated(connection, run_id, left_out)
    return _fetched(connection, run_id, left_out)


def described(session: Session, run_id: int, left_out: Collection[int] = ()) -> Iterator[Described]:
    """The same images as in `columns`, if scored and labelled, with attributes, one by one."""
    rows = session.execute(
        select(Image.id, Image.label, Prediction.score, Image.attributes)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Image.label.is_not(None), Prediction.score.is_not(None)),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    for image_id, label, score, attributes in rows:
        if image_id not in left_out:
            # Neither is None: see WHERE.
            yield Described(label or 0, score or 0.0, attributes or {})


def _fetched(connection: Connection, run_id: int, left_out: Collection[int]) -> Columns:
    """Fetch row by row, so that only one row is in memory."""
    kind = np.dtype([("label", np.int8), ("outcome", np.int8), ("score", np.float64)])
    driver: Any = connection.connection.driver_connection
    statement = _SQLITE
    values: list[Any] = [run_id]
    if left_out:
        statement = f"{_SQLITE} {_SQLITE_WITHOUT}"
        values.append(json.dumps(list(left_out)))
    with driver_errors(connection, statement):
        return _apart(np.fromiter(driver.execute(statement, values), dtype=kind))


def _aggregated(connection: Connection, run_id: int, left_out: Collection[int]) -> Columns:
    driver: Any = connection.connection.driver_connection
    statement = _POSTGRESQL
    values: list[Any] = [run_id]
    if left_out:
        statement = f"{_POSTGRESQL} {_POSTGRESQL_WITHOUT}"
        values.append(list(left_out))
    with driver_errors(connection, statement), driver.cursor(binary=True) as cursor:
        (rows,) = cursor.execute(statement, values).fetchone()
    return _apart(np.frombuffer(rows or b"", _ROW))


def _apart(rows: npt.NDArray[np.void]) -> Columns:
    outcomes = rows["outcome"].astype(np.int8)
    turned = outcomes == _SCORED_TURNED
    outcomes[turned] = SCORED
    return Columns(
        rows["label"].astype(np.int8),
        outcomes,
        rows["score"].astype(np.float64),
        int(np.count_nonzero(turned)),
    )
