"""Keeps the database's choice of an index independent of statistics.

They do not know the newest run yet, so that a plan that rests on them may read all of it for each
of its images. PostgreSQL keeps none of the columns that tell runs apart (see the migration 0007),
and those that somebody made on SQLite are dropped; the rest is said in a statement itself.
`tests/integration/test_plans.py` counts the rows that each statement reads.
"""

from typing import TypeVar

from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

Number = TypeVar("Number", int, float, int | None, float | None)
# What ANALYZE makes on SQLite. Without it every index counts as one that finds few rows.
_OF_SQLITE = ("sqlite_stat1", "sqlite_stat4")


def unindexed(column: InstrumentedAttribute[Number]) -> ColumnElement[Number]:
    """The column's own value, which no index on the column finds or sorts."""
    return column + 0


def has_statistics(connection: Connection) -> bool:
    """Whether somebody ran ANALYZE on a ledger on SQLite."""
    return bool(_found(connection))


def drop_statistics(connection: Connection) -> None:
    """Drop what ANALYZE made on SQLite; connections opened later plan without it."""
    for table in _found(connection):
        connection.execute(text(f"DROP TABLE {table}"))


def _found(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []
    known = inspect(connection)
    return [table for table in _OF_SQLITE if known.has_table(table)]
