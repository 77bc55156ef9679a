"""What a worker does besides scoring: sweep, and end when everything is done."""

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from db.errors import DatabaseError, LedgerReplacedError
from db.queries.leases import BatchKey
from db.queries.refusals import Wanted, stops
from db.queries.unfinished import claim_expired, count_unfinished, unfinished_checkpoints
from db.session import Database
from db.unused_ledger import holds_nothing
from worker import timing
from worker.broker.address import BrokerError
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.publish import publish, waiting_messages

log = logging.getLogger(__name__)


class Drained(Enum):
    """How a draining worker ends; the value is its exit code."""

    FINISHED = 0
    STUCK = 1


def doubt(database: Database) -> str | None:
    """A question for the user who started a worker on an empty ledger; None for other ledgers.

    A database server's ledger that existed before may be waiting for its first run.
    """
    if database.file is None and not database.is_new:
        return None
    with database.read() as session:
        if not holds_nothing(session):
            return None
    return (
        f"database {database} holds no run and no checkpoint: is {Path.cwd()} the folder where "
        "`producer enqueue` runs? DATABASE_URL names another database"
    )


class Upkeep:
    """A thread that runs a round every few seconds until it is stopped."""

    def __init__(
        self,
        database: Database,
        activity: ActivityTracker,
        retry: DatabaseRetry,
        unavailable: Callable[[str, str], Exception | None],
    ) -> None:
        self._database = database
        self._activity = activity
        self._retry = retry
        self._unavailable = unavailable
        self._stopping = threading.Event()
        self._awake = threading.Event()

    def start(self, on_drained: Callable[[Drained], None] | None) -> None:
        """Start the thread; `on_drained`, if given, is called once when nothing is left to do."""
        threading.Thread(target=self._run, args=(on_drained,), daemon=True, name="upkeep").start()

    def stop(self) -> None:
        """End after the current round."""
        self._stopping.set()
        self._awake.set()

    def look(self) -> None:
        """Look now, and not only after the pause: a batch has just ended, perhaps the last one."""
        self._awake.set()

    def _run(self, on_drained: Callable[[Drained], None] | None) -> None:
        swept = -math.inf
        pause = timing.DRAIN_SECONDS if on_drained else timing.SWEEP_SECONDS
        while not self._stopping.is_set():
            looked = time.monotonic()
            try:
                with self._activity.track("upkeep"):
                    if time.monotonic() >= swept + timing.SWEEP_SECONDS:
                        swept = time.monotonic()  # after a failure, too: it is logged once a round
                        self._retry.call(self._sweep)
                    drained = self._retry.call(self._drained) if on_drained else None
            except LedgerReplacedError as error:
                self._retry.give_up(error)
                return
            except (DatabaseError, BrokerError) as error:
                log.error("upkeep: %s", error.message)  # noqa: TRY400 - the sentence says it all
                drained = None
            except Exception:
                # If this thread ended, there would be no more sweeps, unnoticed.
                log.exception("upkeep failed; it tries again")
                drained = None
            if on_drained and drained:
                on_drained(drained)
                return
            self._awake.wait(pause)
            # A look reads all unfinished batches, and some batches take milliseconds.
            self._stopping.wait(max(0.0, looked + timing.DRAIN_AGAIN_SECONDS - time.monotonic()))
            self._awake.clear()

    def _sweep(self) -> None:
        expired = self._claim_expired()
        if expired:
            log.warning("sweep: %d batches that no worker holds are sent again", len(expired))
            publish(expired)

    def _claim_expired(self) -> list[BatchKey]:
        with self._database.read() as session:
            if not count_unfinished(session).unfinished:
                return []
        unstarted = waiting_messages() == 0
        with self._database.write() as session:
            return claim_expired(session, timing.REPUBLISH_SECONDS, unstarted=unstarted)

    def _finished(self) -> Drained:
        question = doubt(self._database)
        if question is None:
            return Drained.FINISHED
        log.error("drain: %s", question)
        return Drained.STUCK

    def _drained(self) -> Drained | None:
        with self._database.read() as session:
            counts = count_unfinished(session)
            if not counts.unfinished:
                return self._finished()
            wanted, stopped = unfinished_checkpoints(session), stops(session)
        failures = [  # each a sentence, or an error
            stopped.get(Wanted(*checkpoint)) or self._unavailable(*checkpoint)
            for checkpoint in wanted
        ]
        if counts.leased or not all(failures):
            return None
        for failure in failures:
            log.error("drain: %s", failure)
        return Drained.STUCK
