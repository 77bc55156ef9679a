"""How many rows a database really reads for what `db` asks of it, statement by statement.

Below SQLAlchemy, at the driver's own connection, so that no statement goes round it. PostgreSQL
counts rows in EXPLAIN ANALYZE, which runs the statement; that is taken back before the statement
runs as it should. SQLite counts the steps of its machine, and says which tables it scans.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from sqlalchemy.orm import Session

# Whose rows belong to runs; the others hold a few rows each.
LARGE = ("images", "predictions", "batches")
# SQLite's machine takes some twenty steps for a row that it reads, compares and gives out.
_STEPS_PER_ROW = 20
_STEPS_PER_CALL = 10
# Of PostgreSQL's plans: what a node reads, and how many rows of it.
_COUNTED = {"Relation Name", "Index Name"}
_READ = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


class Work(NamedTuple):
    """A statement, how many rows were read for it, and how the database went about it."""

    statement: str
    rows: int
    plan: str

    @property
    def scans(self) -> list[str]:
        """Large tables that were read from one end to the other."""
        return [table for table in LARGE if re.search(rf"SCAN {table}\b", self.plan)]


@contextmanager
def watched(session: Session) -> Iterator[list[Work]]:
    """The work of each statement of this session, in their order."""
    driver: Any = session.connection().connection.driver_connection
    done: list[Work] = []
    watch = _watch_sqlite if isinstance(driver, sqlite3.Connection) else _watch_postgresql
    with watch(driver, done):
        yield done


@contextmanager
def _watch_sqlite(driver: sqlite3.Connection, done: list[Work]) -> Iterator[None]:
    statements: list[str] = []
    steps: list[int] = []

    def begin(statement: str) -> None:
        statements.append(statement)
        steps.append(0)

    def step() -> int:
        if steps:
            steps[-1] += _STEPS_PER_CALL
        return 0

    driver.set_trace_callback(begin)
    driver.set_progress_handler(step, _STEPS_PER_CALL)
    try:
        yield
    finally:
        driver.set_trace_callback(None)
        driver.set_progress_handler(None, 0)
    for statement, count in zip(statements, steps, strict=True):
        explained = driver.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        plan = "\n".join(row[3] for row in explained)
        done.append(Work(statement, count // _STEPS_PER_ROW, plan))


@contextmanager
def _watch_postgresql(driver: psycopg.Connection[Any], done: list[Work]) -> Iterator[None]:
    plain, named = driver.cursor_factory, driver.server_cursor_factory

    class Watched(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            done.append(_explained(driver, query, params))
            return super().execute(query, params, **options)

    class WatchedOnServer(psycopg.ServerCursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            done.append(_explained(driver, query, params))
            return super().execute(query, params, **options)

    driver.cursor_factory, driver.server_cursor_factory = Watched, WatchedOnServer
    try:
        yield
    finally:
        driver.cursor_factory, driver.server_cursor_factory = plain, named


def _explained(driver: psycopg.Connection[Any], query: Any, params: Any) -> Work:
    statement = query if isinstance(query, str) else query.decode()
    with psycopg.Cursor(driver) as cursor:
        cursor.execute("SAVEPOINT explained")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", params)
        ((found,),) = cursor.fetchall()
        cursor.execute("ROLLBACK TO explained")
    plan = found[0]["Plan"]
    return Work(statement, _rows(plan), json.dumps(plan, indent=1))


def _rows(node: dict[str, Any]) -> int:
    """Rows that the node and those under it took from tables and indexes, used or not."""
    below = sum(_rows(child) for child in node.get("Plans", ()))
    # What is changed was read below, and so was what a bitmap names.
    if node["Node Type"] in {"ModifyTable", "Bitmap Heap Scan"} or not _COUNTED & set(node):
        return below
    each = sum(node.get(name, 0) for name in _READ)
    taken: int = round(each * node["Actual Loops"])
    return below + taken
