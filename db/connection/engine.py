"""The engine for a ledger's address, with the options that each kind of database needs."""

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from db.connection.ledger_file import Access, LedgerFile, to_write
from db.errors import DatabaseError

# How long one writer waits for another on SQLite.
BUSY_SECONDS = 60
_PAUSE_SECONDS = 0.01
# With libpq's own defaults a client waits for a quarter of an hour, or for ever, when a machine
# vanished or a network drops packets. Options in `DATABASE_URL` take precedence.
POSTGRES = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,  # seconds; with the next two, silence is noticed after 25 s
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds: the same for sent data that is not acknowledged
}
# By default PostgreSQL estimates a page found by an index at four times the cost of the next page
# of the table. Here it usually is the next one, because predictions are stored in the order of the
# images; and a table of many runs should not be scanned for one of them.
PLANNER = {"random_page_cost": "1.1"}


def open_engine(
    address: URL, standstill_seconds: float | None, file: LedgerFile | None = None
) -> Engine:
    """The engine; nothing is connected yet. `file` is for SQLite, by default a writable one.

    Raises:
        DatabaseError: the address cannot be that of a ledger.
    """
    path = sqlite_path(address)
    if path is not None:
        return _sqlite(address, file or to_write(path))
    match address.get_backend_name():
        case "postgresql":
            return _postgresql(address, standstill_seconds)
    raise _not_supported(address)


def without_password(address: URL) -> str:
    """The address without its password, which libpq also accepts as a parameter."""
    hidden = {name: "***" for name in address.query if "password" in name.lower()}
    shown = address.update_query_dict(hidden).render_as_string(hide_password=True)
    # The driver for PostgreSQL is our choice, not part of what was typed.
    return shown.replace("%2A%2A%2A", "***").replace("postgresql+psycopg://", "postgresql://", 1)


def sqlite_path(address: URL) -> Path | None:
    """The absolute path of SQLite's file, None for another database.

    Raises:
        DatabaseError: it is an SQLite address without a file.
    """
    if address.get_backend_name() != "sqlite":
        return None
    if not address.database or address.database == ":memory:":
        raise DatabaseError(
            "DATABASE_URL: a ledger in memory is lost with its process; "
            "name a file, such as sqlite:///dermscore.db"
        )
    return Path(address.database).absolute()


def _sqlite(address: URL, file: LedgerFile) -> Engine:
    engine = _created(address, connect_args={"timeout": BUSY_SECONDS})

    def connect(dialect: Dialect, _record: object, words: list[Any], named: dict[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's own
        if file.access is not Access.WRITE:
            words[0] = f"file:{quote(str(file.path))}?{file.access.value}"
            named["uri"] = True
        return file.connect(lambda: dialect.connect(*words, **named))

    def begin(connection: Connection) -> None:
        file.require_same()
        _sqlite_begin(connection)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _sqlite_connected if file.access is Access.WRITE else _readable)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql(address: URL, standstill_seconds: float | None) -> Engine:
    # UTF-8 whatever the database's own encoding is: names are of any alphabet.
    usual = {"client_encoding": "utf8", **POSTGRES}
    connect_args = {name: value for name, value in usual.items() if name not in address.query}
    engine = _created(address, pool_pre_ping=True, connect_args=connect_args)
    asked = dict(PLANNER)
    if standstill_seconds is not None:
        asked["idle_in_transaction_session_timeout"] = str(round(standstill_seconds * 1000))

    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - psycopg's own
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            raise _without_encoding(address)
        connection.execute("; ".join(f"SET {name} = {value}" for name, value in asked.items()))
        connection.commit()

    event.listen(engine, "connect", connected)
    return engine


def _created(address: URL, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    try:
        return create_engine(address, **options)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise _not_supported(address) from None
    except (ArgumentError, ValueError) as error:  # sqlite://folder/file: two slashes, not three
        reason = str(error).split("\n")[0].replace(str(address), without_password(address))
        raise DatabaseError(f"DATABASE_URL: {reason}") from None


def _without_encoding(address: URL) -> DatabaseError:
    return DatabaseError(
        f"database {without_password(address)}: its encoding is SQL_ASCII, which knows no letters "
        f"beyond ASCII; make one by CREATE DATABASE {address.database} ENCODING 'UTF8' TEMPLATE "
        "template0 (DATABASE_URL)"
    )


def _not_supported(address: URL) -> DatabaseError:
    return DatabaseError(
        f"DATABASE_URL: {address.drivername} is not supported, use sqlite or postgresql"
    )


def _sqlite_connected(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 would begin a deferred transaction itself; `_sqlite_begin` does it instead.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _readable(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the journal mode; of two processes that set it on a new file, one fails at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _sqlite_begin(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once with BUSY_SNAPSHOT if another
    # wrote in between, whatever the timeout; an IMMEDIATE one waits.
    writes = connection.get_execution_options().get("dermscore_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
