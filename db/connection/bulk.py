"""Inserts many images at once, bypassing the ORM: COPY on PostgreSQL, plain rows on SQLite.

Both run on the session's own connection, so they are committed or rolled back with its transaction.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

_COPY = "COPY images (run_id, batch, path, label, attributes) FROM STDIN"
_INSERT = "INSERT INTO images (run_id, batch, path, label, attributes) VALUES (?, ?, ?, ?, ?)"


class ImageRow(NamedTuple):
    """A row of `images` before it gets its id; attributes are JSON text."""

    run_id: int
    batch: int
    path: str
    label: int | None
    attributes: str | None


def insert_images(session: Session, rows: Iterable[ImageRow]) -> None:
    """Insert `rows`; their ids increase in the given order."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        _copy(connection, rows)
    else:
        connection.exec_driver_sql(_INSERT, list(rows))


def _copy(connection: Connection, rows: Iterable[ImageRow]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver_errors(connection, _COPY), driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def driver_errors(connection: Connection, statement: str) -> Iterator[None]:
    """Wrap errors as SQLAlchemy does for every statement that it executes itself.

    Raises:
        DBAPIError: for any error of the driver.
    """
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(statement, None, error) from error
