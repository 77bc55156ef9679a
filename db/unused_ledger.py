"""Removes a ledger made by a command that failed, so that it is not taken for the real one."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.errors import DatabaseError
from db.session import Database
from db.tables import Checkpoint, Run


@contextmanager
def remove_if_unused(database: Database) -> Iterator[None]:
    """If the block fails, remove a database file that was made for it and holds nothing."""
    try:
        yield
    except BaseException:
        if database.is_new and database.file is not None:
            with suppress(DatabaseError, OSError, sqlite3.Error):
                _remove(database, database.file)
        raise


def holds_nothing(session: Session) -> bool:
    """Whether there is neither a run nor a checkpoint in the ledger."""
    return not session.scalar(select(exists(select(Run.id)) | exists(select(Checkpoint.id))))


def _remove(database: Database, file: Path) -> None:
    with database.read() as session:
        if not holds_nothing(session):
            return
    database.close()
    with closing(sqlite3.connect(file, timeout=0)) as connection:
        # Only the sole user of the file can take it out of WAL mode; a worker may have opened it.
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode == "delete":
        file.unlink()
