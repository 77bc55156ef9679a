"""A run's images by column, straight from the driver into numpy: a million take a second."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
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
# SQLite finds such a name by its place in the object; any other, which may be escaped there, by a
# search that takes three times as long.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_ -]+")
_BY_PLACE = "nullif(json_extract(attributes, '$.\"' || ? || '\"'), '')"
_BY_SEARCH = "(SELECT nullif(value, '') FROM json_each(attributes) WHERE key = ?)"
_POSTGRESQL_CELL = "nullif(attributes ->> CAST(%s AS text), '')"
_ROW = np.dtype([("label", ">i2"), ("outcome", ">i2"), ("score", ">f8")])
_ROWS_AT_ONCE = 10_000


class Coded(NamedTuple):
    """An attribute of all images: `codes` `[listed]` are indices into `values`.

    Images without the attribute, or with an empty one, have the value None.
    """

    column: str
    codes: npt.NDArray[np.int64]
    values: tuple[str | None, ...]


class Columns(NamedTuple):
    """All images of a run in no particular order, each array `[listed]`.

    `labels` 1, 0 or -1 for unknown; `outcomes` PENDING, SCORED or UNREADABLE; `scores` in [0, 1] if
    the outcome is SCORED, else -1. `turned` of the scored ones are to be turned, by EXIF.
    `attributes` are those that were asked for, in the same order of images.
    """

    labels: npt.NDArray[np.int8]
    outcomes: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]
    turned: int
    attributes: tuple[Coded, ...] = ()


class Described(NamedTuple):
    """A scored and labelled image with the attributes from its manifest."""

    label: int
    score: float
    attributes: dict[str, str]


def columns(
    session: Session,
    run_id: int,
    left_out: Collection[int] = (),
    attributes: Sequence[str] = (),
) -> Columns:
    """Labels, outcomes and scores of the run's images, without those with an id of `left_out`."""
    connection = session.connection()
    if attributes:
        return _with_attributes(connection, run_id, left_out, attributes)
    if connection.dialect.name == "postgresql":
        return _aggregated(connection, run_id, left_out)
    return _fetched(connection, run_id, left_out)


def described(
    session: Session, run_id: int, left_out: Collection[int] = (), most: int | None = None
) -> Iterator[Described]:
    """The same images as in `columns`, if scored and labelled, with all attributes, one by one.

    At most as many are read as `most` says: those that the database has at hand.
    """
    rows = session.execute(
        select(Image.id, Image.label, Prediction.score, Image.attributes)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Image.label.is_not(None), Prediction.score.is_not(None))
        .limit(most),
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


def _with_attributes(
    connection: Connection, run_id: int, left_out: Collection[int], names: Sequence[str]
) -> Columns:
    """Extract in the database, and number the values here: one statement, so one order of rows."""
    driver: Any = connection.connection.driver_connection
    values: list[Any] = [*names, run_id]
    if connection.dialect.name == "postgresql":
        cells, run, without = [_POSTGRESQL_CELL] * len(names), "%s", _POSTGRESQL_WITHOUT
        ids: Any = list(left_out)
    else:
        cells = [_BY_PLACE if _PLAIN_NAME.fullmatch(name) else _BY_SEARCH for name in names]
        run, without, ids = "?", _SQLITE_WITHOUT, json.dumps(list(left_out))
    statement = f"SELECT {_LABEL}, {_OUTCOME}, {_SCORE}, {', '.join(cells)} {_FROM} {run}"
    if left_out:
        statement = f"{statement} {without}"
        values.append(ids)
    known = [_Codes() for _ in names]
    codes = [(f"code_{at}", np.int64) for at in range(len(names))]
    kind = np.dtype([("label", np.int8), ("outcome", np.int8), ("score", np.float64), *codes])
    with driver_errors(connection, statement):
        rows = np.fromiter(_coded(driver.execute(statement, values), known), dtype=kind)
    named = zip(names, codes, known, strict=True)
    coded = (Coded(name, rows[field].copy(), tuple(found)) for name, (field, _), found in named)
    return _apart(rows)._replace(attributes=tuple(coded))


class _Codes(dict[str | None, int]):
    """Numbers values in the order in which they come."""

    def __missing__(self, value: str | None) -> int:
        self[value] = code = len(self)
        return code


def _coded(rows: Iterable[tuple[Any, ...]], known: Sequence[_Codes]) -> Iterator[tuple[Any, ...]]:
    for label, outcome, score, *cells in rows:
        yield label, outcome, score, *[a[b] for a, b in zip(known, cells, strict=True)]


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
