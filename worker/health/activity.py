"""What the threads of this process are doing: which leases to renew, and how long each may take."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from base.settings import HANG_SECONDS
from db.queries.leases import BatchKey, name_of
from db.queries.refusals import Wanted
from worker import timing


class Task(NamedTuple):
    """Something in progress: when it began, and how many seconds it may take.

    `loads` is the checkpoint that is being loaded, if one is.
    """

    what: str
    began: float
    seconds: float
    loads: Wanted | None = None


class ActivityTracker:
    """Threads say what they begin; the heartbeat and the watchdog read it."""

    def __init__(self, hang_seconds: float = HANG_SECONDS) -> None:
        self._hang_seconds = hang_seconds
        self._tasks: dict[int, Task] = {}
        self._held: dict[int, Sequence[BatchKey]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold_leases(self, batches: Sequence[BatchKey]) -> Iterator[None]:
        """Work on batches that this worker has leased; afterwards their leases are not renewed."""
        key = threading.get_ident()
        with self._lock:
            self._held[key] = batches
        try:
            yield
        finally:
            with self._lock:
                del self._held[key]

    @contextmanager
    def track(self, what: str, images: int = 0, loads: Wanted | None = None) -> Iterator[None]:
        """Do something that must end; inside another task of the same thread it is part of that.

        Tasks on leased batches are shown with the names of these batches.
        """
        key = threading.get_ident()
        seconds = self._hang_seconds * (1 + images / timing.IMAGES_PER_HANG)
        with self._lock:
            is_part = key in self._tasks
            if not is_part:
                batches = self._held.get(key)
                described = f"{name_of(batches)}, {what}" if batches else what
                self._tasks[key] = Task(described, time.monotonic(), seconds, loads)
        try:
            yield
        finally:
            if not is_part:
                with self._lock:
                    del self._tasks[key]

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Wait for something that may take any time; then the task's own time starts again."""
        key = threading.get_ident()
        with self._lock:
            task = self._tasks.get(key)
            if task is not None:
                self._tasks[key] = task._replace(began=math.inf)
        try:
            yield
        finally:
            with self._lock:
                if task is not None:
                    self._tasks[key] = task._replace(began=time.monotonic())

    @property
    def hang_seconds(self) -> float:
        """How long a task may take that is not about several images."""
        return self._hang_seconds

    @property
    def held(self) -> list[BatchKey]:
        """All batches that this process is working on."""
        with self._lock:
            return [batch for batches in self._held.values() for batch in batches]

    def overdue(self) -> Task | None:
        """The task that has taken longer than it may for the longest time, if there is one."""
        now = time.monotonic()
        with self._lock:
            late = [task for task in self._tasks.values() if now > task.began + task.seconds]
        return min(late, key=lambda task: task.began, default=None)
