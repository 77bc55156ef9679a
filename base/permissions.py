"""Who may read what these programs write: the user who runs them, and no one else.

What is there already keeps its permissions. A folder with the setgid bit (`chmod g+rws FOLDER`) is
how a group says that it shares what is made inside: there the group gets what it has in the folder.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


def close_to_others() -> None:
    """From now on this process makes files with 0600 and folders with 0700, whatever was set."""
    os.umask(_OTHERS)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    share(folder)


def make_file(file: Path) -> None:
    """Make an empty file where none is; a symbolic link is not followed.

    Raises:
        FileExistsError: something is there.
        OSError: it cannot be made.
    """
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    share(file)


def share(made: Path) -> None:
    """Give what was just made to the group of its folder, where that shares what it holds."""
    folder = made.parent.stat().st_mode
    if folder & stat.S_ISGID:
        mode = made.stat().st_mode
        group = folder & (0o070 if stat.S_ISDIR(mode) else 0o060)
        _set_mode(made, mode | group)


def take_over(draft: Path, path: Path) -> None:
    """Give a draft the permissions of the file whose place it will take, if one is there."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        share(draft)
    else:
        _set_mode(draft, mode)


def _set_mode(path: Path, mode: int) -> None:
    if path.stat().st_mode != mode:
        with suppress(PermissionError):  # a file system that knows no permissions
            path.chmod(stat.S_IMODE(mode))
