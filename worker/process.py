"""Everything that a worker process holds, where its task and its life both find it."""

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
    from worker.observability.profile import Profile

log = logging.getLogger(__name__)


class WorkerProcess:
    """Everything a worker process holds: the ledger, the loaded checkpoints, its name."""

    def __init__(self, database: Database, engine: Engine, node: str) -> None:
        """Take `node`, the name that `celery -n` gave or Celery's own, into the worker's name.

        A name is never given twice, or a worker that was started anew would be taken for the last.
        """
        self.database = database
        self.engine = engine
        self.worker = f"{node}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.profile: Profile | None = None
        self.activity = ActivityTracker(settings.hang_seconds)
        self.retry = DatabaseRetry(self.activity, _leave)
        self.ending = Ending()
        self._heartbeat = Heartbeat(database, self.worker, self.activity, self.retry)
        self.batches = BatchProcessor(database, engine, self.worker, self.activity, self.retry)

    def score(self, key: BatchKey) -> None:
        """Score one batch; without its checkpoint or the ledger, leave it to others."""
        try:
            with metrics.FAILED.count_exceptions(), tracing.batch(key):
                self.batches.score(key)
        except LedgerReplacedError as error:
            self.retry.give_up(error)
        except click.ClickException as error:
            # The ledger keeps what is owed, and a sweep sends it again.
            log.error("run %d batch %d: %s", *key, error.message)  # noqa: TRY400 - a full sentence
        if self.profile is not None:
            self.profile.batch_ended()

    def start(self) -> None:
        """Begin to renew leases."""
        threading.Thread(target=self._heartbeat.run, daemon=True).start()

    def watch(self) -> None:
        """Begin to watch for what hangs, the loading of the first checkpoint included."""
        threading.Thread(target=watch, args=(self.activity, self._note_hung), daemon=True).start()

    def _note_hung(self, wanted: Wanted, seconds: float) -> None:
        with self.database.write() as session:
            note_hung(session, self.worker, wanted, seconds)

    def give_back(self) -> None:
        """Let others have at once what is under way here, as if it had never been taken."""
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
            log.error("stopped: %s; leases run out by themselves: %s", error.message, named)  # noqa: TRY400 - a full sentence
        else:
            log.warning("stopped: given back unfinished: %s", named)

    def close(self) -> None:
        """Write what waits, and that the worker ends."""
        self._heartbeat.end()
        if self.profile is not None:
            self.profile.close()
        self.engine.close()


_current: list[WorkerProcess] = []


def be_current(process: WorkerProcess) -> None:
    """Make it this process's own; `worker_init` does."""
    _current[:] = [process]


def current_process() -> WorkerProcess:
    """This process's, made by `worker_init`."""
    return _current[0]


def _leave(error: LedgerReplacedError) -> None:
    # Not to go on with what is there now: what was loaded, leased and remembered is of the old one.
    log.error(
        "%s; this worker ends and stores nothing of what it holds: start it again for what is "
        "there now",
        error.message,
    )
    state.should_stop = Drained.STUCK.value
