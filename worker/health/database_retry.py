"""Waits for a database that is away: a worker outlives it, and keeps what it has computed.

One whose file was deleted or replaced it does not: what it holds is of another ledger.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

from db.errors import DatabaseAwayError, LedgerReplacedError
from worker import timing
from worker.health.activity import ActivityTracker

T = TypeVar("T")

log = logging.getLogger(__name__)


class DatabaseRetry:
    """Shared by the threads of a worker, so that an outage is told once and not by each."""

    def __init__(
        self,
        activity: ActivityTracker,
        on_replaced: Callable[[LedgerReplacedError], None] | None = None,
    ) -> None:
        self._activity = activity
        self._on_replaced = on_replaced
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._is_known = False
        self._back_since = self._logged_at = -math.inf

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work`, begun anew until the database is there; it may have been done.

        Raises:
            DatabaseAwayError: the worker ends.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseAwayError),
            stop=tenacity.stop_when_event_set(self._stopping),
            wait=tenacity.wait_fixed(timing.DATABASE_PAUSE_SECONDS),
            before_sleep=self._log,
            sleep=self._activity.pause()(tenacity.sleep_using_event(self._stopping)),
            reraise=True,
        )
        result = retrying(work)
        if retrying.statistics["attempt_number"] > 1:
            self._log_the_end()
        return result

    def give_up(self, error: LedgerReplacedError) -> None:
        """Have the worker end, for its ledger is no longer there; of all threads one does."""
        with self._lock:
            on_replaced, self._on_replaced = self._on_replaced, None
        if on_replaced is not None:
            on_replaced(error)

    def end(self) -> None:
        """Wait no longer: what is under way has its last try."""
        self._stopping.set()

    def _log(self, failed: tenacity.RetryCallState) -> None:
        with self._lock:
            now = time.monotonic()
            if self._away_since is None:
                self._away_since = now
                self._is_known = now < self._back_since + timing.DATABASE_STEADY_SECONDS
            if self._is_known and now < self._logged_at + timing.DATABASE_REMINDER_SECONDS:
                return
            self._is_known = True
            self._logged_at = now
        log.error("%s; waiting for it", failed.outcome and failed.outcome.exception())

    def _log_the_end(self) -> None:
        with self._lock:
            away_since, self._away_since = self._away_since, None
            self._back_since = time.monotonic()
            if away_since is None or self._logged_at < away_since or self._stopping.is_set():
                return  # what has nothing left to do at the end asks no database
        log.warning("the database answers again, after %.0f s", self._back_since - away_since)
