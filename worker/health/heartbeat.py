"""Says that this worker is alive, and renews the leases of the batches that it works on.

It renews no other leases, or none would ever expire. It has its own thread, because a broker that
does not answer holds up a sweep for half a minute, which is as long as a lease lasts.
"""

import logging
import threading
import time
from contextlib import suppress

from db.errors import DatabaseError, LedgerReplacedError
from db.queries.leases import renew_leases
from db.queries.workers import forget_dead, note_ended, note_seen
from db.session import Database
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats every few seconds while the process lives; the last batch may be long, too."""

    def __init__(
        self, database: Database, worker: str, activity: ActivityTracker, retry: DatabaseRetry
    ) -> None:
        self._database, self._worker = database, worker
        self._activity, self._retry = activity, retry
        self._is_ending = False
        self._lock = threading.Lock()

    def run(self) -> None:
        """Beat as long as the process lives and its ledger exists."""
        while True:
            try:
                with self._activity.track("the renewal of leases"):
                    self._retry.call(self.beat)
            except LedgerReplacedError as error:
                self._retry.give_up(error)
                return
            except DatabaseError as error:
                log.error("leases were not renewed: %s", error.message)  # noqa: TRY400 - a full sentence
            except Exception:
                # If this thread ended, every lease would expire unnoticed.
                log.exception("leases were not renewed; the next beat tries again")
            time.sleep(timing.BEAT_SECONDS)

    def beat(self) -> None:
        """Say that the worker is alive, and renew the leases that it still holds."""
        held = self._activity.held
        with self._lock, self._database.write() as session:
            if not self._is_ending:
                note_seen(session, self._worker)
                forget_dead(session)
            if held:
                renew_leases(session, self._worker, timing.LEASE_SECONDS, held)

    def end(self) -> None:
        """Say that the worker is ending; leases that it still holds are renewed as before."""
        self._is_ending = True
        ending = threading.Thread(target=self._note_end, daemon=True)
        ending.start()
        ending.join(timing.BEAT_END_SECONDS)

    def _note_end(self) -> None:
        # If this fails, no more beats arrive, and the worker counts as ended within seconds.
        with self._lock, suppress(DatabaseError), self._database.write() as session:
            note_ended(session, self._worker)
