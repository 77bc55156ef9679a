"""The file of a ledger on SQLite: how to open it, and whether it is still the file that is open."""

import os
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from base.permissions import make_file
from db.connection.mounts import network_mount
from db.errors import DatabaseAwayError, DatabaseError, LedgerReplacedError

# The files that SQLite keeps next to a database: its write-ahead log and its shared memory.
_LOG, _SHARED, _JOURNAL = "-wal", "-shm", "-journal"


class Access(Enum):
    """How a file is opened: a parameter of SQLite's address."""

    WRITE = ""
    READ = "mode=ro"
    # Without locks and without the files next to it: right only while nothing writes to it.
    FROZEN = "immutable=1"


class LedgerFile:
    """A file at a path; after the first connection, all others must be to the same file.

    Otherwise results for one ledger would be stored in another one, where the ids of runs and
    images mean something else.
    """

    def __init__(self, path: Path, access: Access) -> None:
        self.path = path
        self.access = access
        self._opened: tuple[int, ...] | None = None

    def connect(self, open_it: Callable[[], Any]) -> Any:  # noqa: ANN401 - a DBAPI connection
        """A connection made by `open_it`, if it is to the same file as the others.

        Raises:
            LedgerReplacedError: another file is there, or none.
            DatabaseAwayError: this cannot be determined.
        """
        self.require_same()  # otherwise SQLite would make a new file
        if self._opened is None and self.access is Access.WRITE:
            # The files that SQLite keeps next to it get its permissions. If the file cannot be
            # made, or exists, SQLite reports the rest.
            with suppress(OSError):
                make_file(self.path)
        connection = open_it()
        try:
            if self._opened is None:
                self._opened = self._identity()
            self.require_same()
        except BaseException:
            connection.close()
            raise
        return connection

    def require_same(self) -> None:
        """Check that the file at the path is the open one.

        Raises:
            LedgerReplacedError: it is another file, or gone, or it was written while frozen.
            DatabaseAwayError: this cannot be determined.
        """
        if self._opened is None:
            return
        found = self._identity()
        if found == self._opened:
            return
        if found is not None and found[:2] == self._opened[:2]:
            raise LedgerReplacedError(
                f"the database {self.path} was written to while it was read: start again"
            )
        happened = "deleted or moved" if found is None else "replaced by another file"
        raise LedgerReplacedError(f"the database {self.path} was {happened} while it was in use")

    def _identity(self) -> tuple[int, ...] | None:
        """Device and inode, and for a frozen file also what changes on writing; None for no file.

        No other file can get its inode while a connection keeps it open.
        """
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DatabaseAwayError(f"database {self.path}: {error.strerror}") from error
        if self.access is not Access.FROZEN:
            return status.st_dev, status.st_ino
        log = _size(_beside(self.path, _LOG))
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, log


def to_write(path: Path) -> LedgerFile:
    """A ledger that exists, or is made by the first connection.

    Raises:
        DatabaseError: it is gone, but the files next to it are not.
    """
    left = [file for file in (_beside(path, _LOG), _beside(path, _SHARED)) if file.exists()]
    if left and not path.exists():
        # A process that still uses the deleted file would share these with a new one.
        names = " and ".join(file.name for file in left)
        raise DatabaseError(
            f"there is no database {path}, but {names} of one that was deleted or moved: put it "
            f"back, or stop the workers that still use it and then delete {names}"
        )
    return LedgerFile(path, Access.WRITE)


def to_read(path: Path) -> LedgerFile:
    """A ledger for reading, which may be in a read-only place.

    Raises:
        DatabaseError: SQLite cannot read it there.
    """
    if _is_writable(path):
        return LedgerFile(path, Access.WRITE)
    log, shared = _beside(path, _LOG), _beside(path, _SHARED)
    if log.exists() and shared.exists():
        return LedgerFile(path, Access.READ)
    if _size(log) or _size(_beside(path, _JOURNAL)):
        raise DatabaseError(
            f"database {path}: it was copied while it was in use, and cannot be read where nothing "
            f'can be written: copy it by `sqlite3 FILE ".backup COPY"`, or copy it with {log.name} '
            "to a folder that can be written, and name that in DATABASE_URL"
        )
    return LedgerFile(path, Access.FROZEN)


def network_warning(path: Path) -> str | None:
    """A warning if the file is on a network file system."""
    mount = network_mount(path)
    if mount is None:
        return None
    return (
        f"warning: the database {path} is on a network file system ({mount.kind}, {mount.source}): "
        "SQLite is not safe there for several machines, use PostgreSQL for them (DATABASE_URL)"
    )


def _is_writable(path: Path) -> bool:
    """Whether this process can write the file and the files that SQLite keeps next to it."""
    if not os.access(path, os.W_OK):
        return False
    beside = [_beside(path, kind) for kind in (_LOG, _SHARED)]
    return all(os.access(file if file.exists() else path.parent, os.W_OK) for file in beside)


def _beside(path: Path, kind: str) -> Path:
    # SQLite follows links before it looks for the files next to it.
    return Path(f"{path.resolve()}{kind}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
