"""Waits for a database that is away: the worker goes on afterwards with what it has computed.

It does not wait for a ledger that was deleted or replaced: what it holds belongs to another one.
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
    """Shared by the threads of a worker, so that an outage is logged only once."""

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
        """The result of `work`, repeated until the database answers; it may be done more than once.

        Raises:
            DatabaseAwayError: the worker is ending.
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
        """End the worker because its ledger is gone; only the first thread to notice does it."""
        with self._lock:
            on_replaced, self._on_replaced = self._on_replaced, None
        if on_replaced is not None:
            on_replaced(error)

    def end(self) -> None:
        """Wait no longer: each call in progress gets one last try."""
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
                return  # at the end, a success need not mean that the database answered
        log.warning("the database answers again, after %.0f s", self._back_since - away_since)
