"""What SQLite's errors about its file mean and what to do: its own messages name no file."""

import os
import shutil
import sqlite3
from pathlib import Path

# The last byte of an extended error code is the basic code.
_KIND = 0xFF
# A disk with less free space than this is full for SQLite's own bookkeeping.
_NO_ROOM = 64 * 1024  # bytes


def sentence(error: BaseException | None, file: Path) -> str | None:
    """What happened to the file and what to do; None if the error is not about the file."""
    match getattr(error, "sqlite_errorcode", 0) & _KIND:
        case sqlite3.SQLITE_FULL:
            return _full(file)
        case sqlite3.SQLITE_IOERR:
            return _full(file) if _is_full(file.parent) else _broken(file)
        case sqlite3.SQLITE_CANTOPEN:
            return _closed(file)
        case sqlite3.SQLITE_READONLY:
            reason = _why_not_written(file)
            return reason and f"{file} cannot be written: {reason}"
        case sqlite3.SQLITE_BUSY:
            return f"{file} is locked: another program has written to it for long, so try again"
    return None


def _full(file: Path) -> str:
    return f"{file} cannot be written: the disk is full, make room in {file.parent}"


def _broken(file: Path) -> str:
    return (
        f"{file} or a file next to it cannot be read or written (disk I/O error): look at the disk "
        f"of {file.parent}"
    )


def _closed(file: Path) -> str | None:
    folder = file.parent
    if not folder.is_dir():
        return f"{file} cannot be opened: there is no folder {folder}"
    if file.is_dir():
        return f"{file} cannot be opened: it is a folder"
    if file.exists() and not os.access(file, os.R_OK):
        return f"{file} cannot be read: its permissions do not let you"
    if _is_full(folder):
        return _full(file)
    reason = _why_not_written(file)
    return reason and f"{file} cannot be opened: {reason}"


def _why_not_written(file: Path) -> str | None:
    folder = file.parent
    if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is on a read-only file system"
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm"), folder):
        if path.exists() and not os.access(path, os.W_OK):
            return f"the permissions of {path} do not let you write there"
    return None


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM
    except OSError:
        return False
