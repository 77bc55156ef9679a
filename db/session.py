"""Reads `DATABASE_URL`; sessions that fail in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from base.settings import read_settings
from db.engine import open_engine, without_password
from db.errors import DatabaseAwayError, DatabaseError
from db.planning import drop_statistics, has_statistics
from db.upgrade import is_current, upgrade


class Database:
    """An open ledger, its schema up to date."""

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        if engine.dialect.name == "postgresql":
            # One snapshot for all reads of a session, as SQLite gives it.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ")
        self._writing = engine.execution_options(dermscore_writes=True)
        # Whether there was no ledger at the address before this process opened it.
        self.is_new = False

    @property
    def file(self) -> Path | None:
        """The file of SQLite; a server has none."""
        address = self._reading.url
        return Path(address.database or "") if _is_file(address) else None

    def tell_if_new(self) -> None:
        """Say that there was no ledger before: perhaps another was meant."""
        if self.is_new:
            click.echo(f"a new database was made: {self}", err=True)

    def __str__(self) -> str:
        """The address, without its password."""
        return without_password(self._reading.url)

    @property
    def engine(self) -> Engine:
        """The engine itself, for bulk reads by column."""
        return self._reading

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with plain_errors(self._reading), Session(self._reading) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end of the block, or nothing stored."""
        with (
            plain_errors(self._writing),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Give back all connections."""
        self._reading.dispose()


def open_database(
    url: str | None = None, *, must_exist: bool = False, standstill_seconds: float | None = None
) -> Database:
    """Open the ledger at `url` (default: `DATABASE_URL`) and bring its schema up to date.

    PostgreSQL ends a transaction in which nothing is asked for `standstill_seconds`, so that what
    it holds is free for others.

    Raises:
        DatabaseError: the address is wrong, nobody answers there, the schema is newer than this
            release, or (with `must_exist`) there is no ledger yet.
    """
    address = _parse(url or read_settings().database_url)
    engine = open_engine(address, standstill_seconds)
    if must_exist:
        _require_file(address)
    database = Database(engine)
    try:
        database.is_new = _bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(database: Database) -> bool:
    """Upgrade the schema where it must be; whether there was none."""
    with database.read() as session:
        if is_current(session.connection()) and not has_statistics(session.connection()):
            return False
    with database.write() as session:
        is_new = upgrade(session.connection())
        drop_statistics(session.connection())
    database.close()  # a connection remembers statistics that it saw
    return is_new


@contextmanager
def plain_errors(engine: Engine) -> Iterator[None]:
    """Turn a driver's error into one sentence that names the database, never its password."""
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        address = without_password(engine.url)
        # PEP 249: operational is what the program did not cause, such as a connection cut, a disk
        # that is full, a lock that another holds.
        passes = isinstance(error, OperationalError) or error.connection_invalidated
        kind = DatabaseAwayError if passes else DatabaseError
        raise kind(f"database {address}: {reason} (DATABASE_URL)") from error


def _parse(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise DatabaseError(
            "DATABASE_URL is not a database address such as "
            "sqlite:///dermscore.db or postgresql://user:password@host/name"
        ) from None
    if "@" in f"{address.host}{address.database}" and address.get_backend_name() != "sqlite":
        # The end of a password that holds one would be taken for the host, and shown with it.
        raise DatabaseError("DATABASE_URL: in a password write %40 for @")
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    if _is_file(address):  # whatever folder becomes the working directory, and as it is shown
        return address.set(database=str(Path(address.database or "").absolute()))
    return address


def _is_file(address: URL) -> bool:
    """Whether a ledger at this address is a file; SQLite takes URIs of its own, too."""
    name = address.database or ""
    is_sqlite = address.get_backend_name() == "sqlite"
    return is_sqlite and name not in ("", ":memory:") and not name.startswith("file:")


def _require_file(address: URL) -> None:
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise DatabaseError(
            f"there is no database {address.database} yet: start with `producer enqueue SOURCE`, "
            "or name another in DATABASE_URL"
        )
