"""Everything that a worker process holds, for its tasks and its lifecycle."""

import logging
import os
import threading
import uuid
from typing import TYPE_CHECKING

import click
from celery.worker import state

from db.errors import DatabaseError, LedgerReplacedError
from db.queries.leases import BatchKey, return_untried
from db.queries.refusals import Wanted, note_hung
from db.session import Database
from worker.celery import settings
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.health.ending import Ending
from worker.health.heartbeat import Heartbeat
from worker.health.upkeep import Drained
from worker.health.watchdog import watch
from worker.observability import metrics, tracing
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.batch_scores import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.observability.profile import Profile

log = logging.getLogger(__name__)


class WorkerProcess:
    """Everything a worker process holds: the ledger, the loaded checkpoints, its name."""

    def __init__(self, database: Database, engine: Engine, node: str) -> None:
        """Make the worker's name from `node`, the name given by `celery -n` or Celery's own.

        A name is never used twice, or a restarted worker would be taken for the one before.
        """
        self.database = database
        self.engine = engine
        self.worker = f"{node}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.profile: Profile | None = None
        # Called when this process holds no batch any more; a worker that drains may be done.
        self.on_idle: Callable[[], None] | None = None
        self.activity = ActivityTracker(settings.hang_seconds)
        self.retry = DatabaseRetry(self.activity, _leave)
        self.ending = Ending()
        self._heartbeat = Heartbeat(database, self.worker, self.activity, self.retry)
        self.batches = BatchProcessor(database, engine, self.worker, self.activity, self.retry)

    def score(self, key: BatchKey) -> None:
        """Score one batch; without its checkpoint or the ledger, leave it to other workers."""
        try:
            with metrics.FAILED.count_exceptions(), tracing.batch(key):
                self.batches.score(key)
        except LedgerReplacedError as error:
            self.retry.give_up(error)
        except click.ClickException as error:
            # The batch stays unfinished in the ledger, and a sweep sends it again.
            log.error("run %d batch %d: %s", *key, error.message)  # noqa: TRY400 - a full sentence
        except MemoryError as error:
            # Celery never acknowledges a message that it sees end so, and after as many as it has
            # threads it takes no more. The next attempt goes image by image.
            reason = f": {error}" if str(error) else ""
            log.error("run %d batch %d: out of memory%s; it is tried again", *key, reason)  # noqa: TRY400 - a full sentence
        if self.profile is not None:
            self.profile.batch_ended()
        if self.on_idle is not None and not self.activity.held:
            self.on_idle()

    def start(self) -> None:
        """Start renewing leases."""
        threading.Thread(target=self._heartbeat.run, daemon=True).start()

    def watch(self) -> None:
        """Start watching for anything that hangs, including the loading of the first checkpoint."""
        threading.Thread(target=watch, args=(self.activity, self._note_hung), daemon=True).start()

    def _note_hung(self, wanted: Wanted, seconds: float) -> None:
        with self.database.write() as session:
            note_hung(session, self.worker, wanted, seconds)

    def give_back(self) -> None:
        """Give all batches in progress back at once, as if they had never been taken."""
        self._heartbeat.end()
        held = self.activity.held
        if not held:
            log.warning("stopped: it held no batch")
            return
        named = ", ".join(f"run {batch.run_id} batch {batch.number}" for batch in held)
        try:
            with self.database.write() as session:
                return_untried(session, held, self.worker)
        except DatabaseError as error:
            log.error("stopped: %s; the leases expire by themselves: %s", error.message, named)  # noqa: TRY400 - a full sentence
        else:
            log.warning("stopped: given back unfinished: %s", named)

    def close(self) -> None:
        """Write what is not written yet, and note in the ledger that the worker ends."""
        self._heartbeat.end()
        if self.profile is not None:
            self.profile.close()
        self.engine.close()


_current: list[WorkerProcess] = []


def be_current(process: WorkerProcess) -> None:
    """Set the current process; called by `worker_init`."""
    _current[:] = [process]


def current_process() -> WorkerProcess:
    """The current process, made by `worker_init`."""
    return _current[0]


def _leave(error: LedgerReplacedError) -> None:
    # It must not go on with the new ledger: what it has loaded and leased belongs to the old one.
    log.error(
        "%s; this worker ends and stores nothing of what it holds: start it again for what is "
        "there now",
        error.message,
    )
    state.should_stop = Drained.STUCK.value
