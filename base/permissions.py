"""Permissions of the files that these programs write: for the user who runs them only.

Existing files keep their permissions. By a folder with the setgid bit (`chmod g+rws FOLDER`) a
group shares what is made inside: there the group gets the permissions that it has on the folder.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


def close_to_others() -> None:
    """From now on this process makes files with 0600 and folders with 0700."""
    os.umask(_OTHERS)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents.

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
    """Make a new empty file; a symbolic link is not followed.

    Raises:
        FileExistsError: the name exists.
        OSError: it cannot be made.
    """
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    share(file)


def share(made: Path) -> None:
    """Give something just made to the group of its folder, if the folder is shared."""
    folder = made.parent.stat().st_mode
    if folder & stat.S_ISGID:
        mode = made.stat().st_mode
        group = folder & (0o070 if stat.S_ISDIR(mode) else 0o060)
        _set_mode(made, mode | group)


def take_over(draft: Path, path: Path) -> None:
    """Give a draft the permissions of the file that it will replace, if it exists."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        share(draft)
    else:
        _set_mode(draft, mode)


def _set_mode(path: Path, mode: int) -> None:
    if path.stat().st_mode != mode:
        with suppress(PermissionError):  # a file system without permissions
            path.chmod(stat.S_IMODE(mode))
