"""Control queues of the embedded broker: mailboxes of workers, and of who asks them.

Each belongs to one process and ends with it, unless that is killed. Then its files would stay for
ever, and every broadcast would add one. So a process touches the bindings of its own mailboxes each
minute, and who makes a new one takes away those that nobody has touched for an hour. Ages are taken
by the clock of the file system itself, and no process is asked for: on a shared folder it may be
another machine's, and its number another process's by now. Who was only slow makes its binding anew
with the next touch, and has lost no more than questions.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import unquote

from base.permissions import make_file
from worker import timing

# Celery's names: of a worker's, of an answer's, and of who listens to events. Never one of work.
_CONTROL = re.compile(r".+\.pidbox|celeryev\..+")


def is_control(queue: str) -> bool:
    """Whether a queue is a mailbox, and its messages are of no use to anybody else."""
    return _CONTROL.fullmatch(queue) is not None


class Mailboxes:
    """The mailboxes of this process in the folder `root` of an embedded broker."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._own: dict[str, tuple[Path, float]] = {}

    def bound(self, queue: str, binding: Path) -> None:
        """This process has bound `queue` just now, by the file `binding`."""
        if is_control(queue):
            self._own[queue] = binding, monotonic()
            with suppress(OSError):  # what cannot be tidied up is left to the next
                self._take_away_dead(binding.stat().st_mtime)

    def used(self, queue: str) -> None:
        """This process reads `queue`: say so every minute, if it is its own mailbox."""
        binding, touched = self._own.get(queue, (None, 0.0))
        if binding is not None and monotonic() >= touched + timing.MAILBOX_TOUCH_SECONDS:
            self._own[queue] = binding, monotonic()
            with suppress(OSError):  # someone wiped the folder
                make_or_touch(binding)

    def deleted(self, queue: str) -> None:
        """The queue is no more."""
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
                continue  # what lies elsewhere is not ours to delete
            queue = unquote(folder.name.removesuffix(".queue"))
            if is_control(queue) and queue not in living:
                _remove(folder)


def make_or_touch(binding: Path) -> None:
    """Make an empty file, or say that it is used; a link in its place is not followed.

    Raises:
        OSError: it cannot be made, or a link is there.
    """
    try:
        make_file(binding)
    except FileExistsError:
        os.utime(binding, follow_symlinks=False)


def _modified(file: Path, otherwise: float) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # its owner took it away in between
        return otherwise


def _remove(folder: Path) -> None:
    for message in folder.iterdir():
        message.unlink(missing_ok=True)
    with suppress(OSError):  # a message came in between
        folder.rmdir()
