"""Control queues of the embedded broker: mailboxes of workers and of the programs that ask them.

Each belongs to one process and ends with it, unless the process is killed. Its files would then
stay for ever, and every broadcast would add one. So a process touches the bindings of its own
mailboxes each minute, and a process that makes a new one removes those that were not touched for an
hour. Ages are measured by the file system's own clock, and not by looking for the process: on a
shared folder it may run on another machine, and its process id may belong to another by now. A
process that was only slow makes its binding again with its next touch; it loses only control
messages.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import unquote

from base.permissions import make_file
from worker import timing

# Celery's names of a worker's mailbox, an answer's, and an event listener's; never a work queue.
_CONTROL = re.compile(r".+\.pidbox|celeryev\..+")


def is_control(queue: str) -> bool:
    """Whether a queue is a mailbox, whose messages are of use to its owner only."""
    return _CONTROL.fullmatch(queue) is not None


class Mailboxes:
    """The mailboxes of this process in the folder `root` of an embedded broker."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own: dict[str, tuple[Path, float]] = {}

    def bound(self, queue: str, binding: Path) -> None:
        """This process has just bound `queue` with the file `binding`."""
        if is_control(queue):
            self._own[queue] = binding, monotonic()
            with suppress(OSError):  # the next process tries again
                self._take_away_dead(binding.stat().st_mtime)

    def used(self, queue: str) -> None:
        """This process reads `queue`: touch its binding every minute, if it is its own mailbox."""
        binding, touched = self._own.get(queue, (None, 0.0))
        if binding is not None and monotonic() >= touched + timing.MAILBOX_TOUCH_SECONDS:
            self._own[queue] = binding, monotonic()
            with suppress(OSError):  # someone wiped the folder
                make_or_touch(binding)

    def deleted(self, queue: str) -> None:
        """The queue was deleted."""
        self._own.pop(queue, None)

    def _take_away_dead(self, now: float) -> None:
        living = set()
        for binding in self._root.glob("exchanges/*/*,*,*"):
            queue = unquote(binding.name.rsplit(",", 1)[1])
            if binding.parent.is_symlink():
                continue
            if is_control(queue) and _modified(binding, now) < now - timing.MAILBOX_DEAD_SECONDS:
                binding.unlink(missing_ok=True)
            else:
                living.add(queue)
        for folder in self._root.glob("waiting/*.queue"):
            if folder.is_symlink():
                continue  # files elsewhere are not ours to delete
            queue = unquote(folder.name.removesuffix(".queue"))
            if is_control(queue) and queue not in living:
                _remove(folder)


def make_or_touch(binding: Path) -> None:
    """Make an empty file, or touch it if it exists; a link in its place is not followed.

    Raises:
        OSError: it cannot be made, or it is a link.
    """
    try:
        make_file(binding)
    except FileExistsError:
        os.utime(binding, follow_symlinks=False)


def _modified(file: Path, otherwise: float) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # its owner removed it meanwhile
        return otherwise


def _remove(folder: Path) -> None:
    for message in folder.iterdir():
        message.unlink(missing_ok=True)
    with suppress(OSError):  # a message came meanwhile
        folder.rmdir()
