"""Folders that nothing can be written to: a mount in a namespace of its own, or another user."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

OTHER_USER = 65534
# The folder is copied to a file system in memory that then takes no writes; a process of this
# namespace alone sees it in the folder's place.
_ENTER = (
    'set -e; d="$0"; cp -a "$d" "$d.copied"; mount -t tmpfs none "$d"; cp -a "$d.copied/." "$d";'
    ' rm -r "$d.copied"; mount -o remount,ro "$d"; exec "$@"'
)


@cache
def _can_mount() -> bool:
    if os.geteuid():
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def mounted_read_only(folder: Path) -> tuple[str, ...]:
    """What goes before a command for which `folder` is on a read-only file system."""
    if not _can_mount():
        pytest.skip("only root can mount a file system")
    return ("unshare", "--mount", "sh", "-c", _ENTER, str(folder))


def let_others_enter(folder: Path) -> None:
    """Pytest's own folders are closed to others; where tests are split there is one more."""
    for above in folder.parents:
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)


@contextmanager
def as_other_user() -> Iterator[None]:
    """Root may write everything; so for a while be someone else, for `access` too."""
    if os.geteuid():
        yield
        return
    os.setresuid(OTHER_USER, OTHER_USER, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
