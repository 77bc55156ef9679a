"""Keeps the database's choice of an index independent of statistics.

Statistics do not know the newest run yet, so a plan that relies on them may read all of the run for
each of its images. PostgreSQL keeps none for the columns that distinguish runs (see the migration
0007), and statistics made on SQLite are dropped; for the rest the statements themselves are written
so. `tests/integration/test_plans.py` counts the rows that each statement reads.
"""

from typing import TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

Number = TypeVar("Number", int, float, int | None, float | None)
# ANALYZE makes this on SQLite. Without it SQLite assumes that every index finds few rows.
_OF_SQLITE = ("sqlite_stat1", "sqlite_stat4")


def unindexed(column: InstrumentedAttribute[Number]) -> ColumnElement[Number]:
    """The column's value in a form for which no index on the column is used."""
    return column + 0


def has_statistics(connection: Connection) -> bool:
    """Whether ANALYZE was run on a ledger on SQLite."""
    return bool(_found(connection))


def drop_statistics(connection: Connection) -> None:
    """Drop the statistics on SQLite; connections opened later plan without them."""
    for table in _found(connection):
        connection.execute(text(f"DROP TABLE {table}"))


def _found(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    known = inspect(connection)
    return [table for table in _OF_SQLITE if known.has_table(table)]
