"""Opens the ledger at `DATABASE_URL`; its sessions report errors in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session

from base.console.telling import tell
from base.settings import read_settings
from db.connection.engine import open_engine, sqlite_path, without_password
from db.connection.ledger_file import Access, LedgerFile, network_warning, to_read, to_write
from db.connection.planning import drop_statistics, has_statistics
from db.connection.sqlite_errors import sentence
from db.errors import DatabaseAwayError, DatabaseError
from db.schema import HEAD, is_current, upgrade, version


class Database:
    """An open ledger, its schema up to date."""

    def __init__(self, engine: Engine, file: LedgerFile | None = None) -> None:
        self._file = file
        self._reading = engine
        if engine.dialect.name == "postgresql":
            # All reads of a session see one snapshot, as on SQLite.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ")
        self._writing = engine.execution_options(dermscore_writes=True)
        # Whether this process made the ledger at the address.
        self.is_new = False

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a server."""
        return None if self._file is None else self._file.path

    def tell_if_new(self) -> None:
        """Say that a new ledger was made: perhaps another one was meant."""
        if self.is_new:
            tell(f"a new database was made: {self}", err=True)

    def __str__(self) -> str:
        """The address, without its password."""
        return without_password(self._reading.url)

    @property
    def engine(self) -> Engine:
        """The engine itself, for bulk reads by column."""
        return self._reading

    @property
    def can_be_written(self) -> bool:
        """Whether it was opened for more than reading."""
        return self._file is None or self._file.access is Access.WRITE

    @property
    def warning(self) -> str | None:
        """A warning for commands that write to it, if its place is not safe."""
        return None if self._file is None else network_warning(self._file.path)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with plain_errors(self._reading, self._file), Session(self._reading) as session:
            yield session
        if self._file is not None and self._file.access is Access.FROZEN:
            self._file.require_same()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end of the block, or not at all.

        Raises:
            LedgerReplacedError: SQLite's file is no longer where it was; the transaction went into
                the deleted or moved file.
        """
        with (
            plain_errors(self._writing, self._file),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
        if self._file is not None:
            self._file.require_same()

    def close(self) -> None:
        """Give back all connections."""
        self._reading.dispose()


def open_database(
    url: str | None = None,
    *,
    must_exist: bool = False,
    to_be_read: bool = False,
    standstill_seconds: float | None = None,
) -> Database:
    """Open the ledger at `url` (default: `DATABASE_URL`) and bring its schema up to date.

    PostgreSQL ends a transaction that is idle for `standstill_seconds`, so that its rows are free
    for others. With `to_be_read`, for commands that only read, it may be in a read-only place.

    Raises:
        DatabaseError: the address is wrong, no server answers, the schema is newer than this
            release, or (with `must_exist` or `to_be_read`) there is no ledger yet.
    """
    address = _parse(url or read_settings().database_url)
    path = sqlite_path(address)
    if path is not None and (must_exist or to_be_read):
        _require_file(address)
    file = None if path is None else to_read(path) if to_be_read else to_write(path)
    database = Database(open_engine(address, standstill_seconds, file), file)
    try:
        database.is_new = _bring_up_to_date(database, may_make=not (must_exist or to_be_read))
    except BaseException:
        database.close()
        raise
    return database


def _bring_up_to_date(database: Database, *, may_make: bool) -> bool:
    """Upgrade the schema if needed; returns whether it was empty.

    Raises:
        DatabaseError: it is newer, too old for where it is, or empty and `may_make` is not set.
    """
    with database.read() as session:
        current = is_current(session.connection())
        if not (current or may_make) and version(session.connection()) is None:
            # Perhaps another program's: a command that reads must not make tables there.
            raise DatabaseError(
                f"database {database} holds no ledger yet: start with `producer enqueue SOURCE`, "
                "or name another in DATABASE_URL"
            )
        as_it_is = not database.can_be_written or not has_statistics(session.connection())
    if current and as_it_is:
        return False
    if not database.can_be_written:
        raise DatabaseError(_too_old(database))
    with database.write() as session:
        is_new = upgrade(session.connection())
        drop_statistics(session.connection())
    database.close()  # a connection remembers statistics that it saw
    return is_new


def _too_old(database: Database) -> str:
    with database.read() as session:
        found = version(session.connection())
    return (
        f"database {database}: its schema is {found}, this dermscore needs {HEAD}, and it cannot "
        "be upgraded where nothing can be written: copy it to a folder that can be written, and "
        "name that in DATABASE_URL"
    )


@contextmanager
def plain_errors(engine: Engine, file: LedgerFile | None = None) -> Iterator[None]:
    """Turn a driver's error into one sentence that names the database, never its password."""
    try:
        yield
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        said = f"{without_password(engine.url)}: {reason}"
        if file is not None:
            said = sentence(error.orig, file.path) or said
        # PEP 249: an operational error is not caused by the program, such as a lost connection, a
        # full disk, or a lock that another process holds.
        passes = isinstance(error, OperationalError) or error.connection_invalidated
        kind = DatabaseAwayError if passes else DatabaseError
        raise kind(f"database {said} (DATABASE_URL)") from error


def _parse(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is not a number
        raise DatabaseError(
            "DATABASE_URL is not a database address such as "
            "sqlite:///dermscore.db or postgresql://user:password@host/name"
        ) from None
    if "@" in f"{address.host}{address.database}" and address.get_backend_name() != "sqlite":
        # The rest of a password after its @ would be taken for the host, and shown with it.
        raise DatabaseError("DATABASE_URL: in a password write %40 for @")
    if address.drivername in ("postgres", "postgresql"):
        return address.set(drivername="postgresql+psycopg")
    path = sqlite_path(address)
    if path is not None:  # absolute: the working directory may change, and so it is shown
        return address.set(database=str(path))
    return address


def _require_file(address: URL) -> None:
    if not Path(address.database or "").is_file():
        raise DatabaseError(
            f"there is no database {address.database} yet: start with `producer enqueue SOURCE`, "
            "or name another in DATABASE_URL"
        )
