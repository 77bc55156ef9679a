"""Waits for a database that is away: a worker outlives it, and keeps what it has computed."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from db.errors import DatabaseAwayError

T = TypeVar("T")

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
# Said once, and then often enough that the end of a long log still says it.
REMINDER_SECONDS = 60.0


class Patience:
    """Shared by the threads of a worker, so that an outage is told once and not by each."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._began: float | None = None
        self._told = 0.0

    def until_answered(self, work: Callable[[], T]) -> T:
        """The result of `work`, begun anew until the database is there; it may have been done.

        Raises:
            DatabaseAwayError: the worker ends.
        """
        failed = False
        while True:
            try:
                result = work()
            except DatabaseAwayError as error:
                if self._stopping.is_set():
                    raise
                failed = True
                self._tell(error)
                self._stopping.wait(PAUSE_SECONDS)
            else:
                if failed:
                    self._tell_the_end()
                return result

    def end(self) -> None:
        """Wait no longer: what is under way has its last try."""
        self._stopping.set()

    def _tell(self, error: DatabaseAwayError) -> None:
        with self._lock:
            now = time.monotonic()
            if self._began is None:
                self._began = now
            elif now < self._told + REMINDER_SECONDS:
                return
            self._told = now
        log.error("%s; waiting for it", error.message)

    def _tell_the_end(self) -> None:
        with self._lock:
            began, self._began = self._began, None
        if began is not None:
            log.warning("the database answers again, after %.0f s", time.monotonic() - began)
