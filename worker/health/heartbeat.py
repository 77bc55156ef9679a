"""Says that this worker lives, and renews the leases of the batches that it is at.

Of nothing else, or none would lapse. A thread of its own: a broker that does not answer holds up a
sweep for half a minute, which is all that a lease lasts.
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
    """Beats every few seconds while the process lives: its last batch may be long, too."""

    def __init__(
        self, database: Database, worker: str, activity: ActivityTracker, retry: DatabaseRetry
    ) -> None:
        self._database, self._worker = database, worker
        self._activity, self._retry = activity, retry
        self._is_ending = False
        self._lock = threading.Lock()

    def run(self) -> None:
        """Beat for as long as the process lives and its ledger is there."""
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
                # A thread that ended here would let every lease lapse, and nobody would know.
                log.exception("leases were not renewed; the next beat tries again")
            time.sleep(timing.BEAT_SECONDS)

    def beat(self) -> None:
        """Say that the worker lives, and prolong what it is at, as far as it still has that."""
        held = self._activity.held
        with self._lock, self._database.write() as session:
            if not self._is_ending:
                note_seen(session, self._worker)
                forget_dead(session)
            if held:
                renew_leases(session, self._worker, timing.LEASE_SECONDS, held)

    def end(self) -> None:
        """Say that the worker ends; what it is still at is renewed as before."""
        self._is_ending = True
        ending = threading.Thread(target=self._note_end, daemon=True)
        ending.start()
        ending.join(timing.BEAT_END_SECONDS)

    def _note_end(self) -> None:
        # Where that fails it is not seen any more, and counts as ended within seconds.
        with self._lock, suppress(DatabaseError), self._database.write() as session:
            note_ended(session, self._worker)
