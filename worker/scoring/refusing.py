"""Writes into the ledger what this worker refuses to score with, so that those who wait see it."""

from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from db.queries.refusals import Wanted, clear_refusal, note_refusal
from db.queries.runs import RunSpec
from db.session import Database
from model.errors import CheckpointError
from worker.health.database_retry import DatabaseRetry


class Refusals:
    """What this worker has refused so far."""

    def __init__(self, database: Database, worker: str, retry: DatabaseRetry) -> None:
        self._database, self._worker, self._retry = database, worker, retry
        self._noted: dict[Wanted, CheckpointError] = {}

    def note(self, needs: RunSpec, error: CheckpointError) -> None:
        """The run's checkpoint cannot be had here.

        The same error once more is no new attempt, and nothing new to say.
        """
        wanted = wanted_by(needs)
        if self._noted.get(wanted) is not error:
            self._write(partial(_note, self._worker, wanted, error.message))
            self._noted[wanted] = error

    def clear(self, needs: RunSpec) -> None:
        """It can."""
        wanted = wanted_by(needs)
        if wanted in self._noted:
            self._write(partial(_clear, self._worker, wanted))
            self._noted.pop(wanted, None)

    def _write(self, work: Callable[[Session], None]) -> None:
        def write() -> None:
            with self._database.write() as session:
                work(session)

        self._retry.call(write)


def wanted_by(needs: RunSpec) -> Wanted:
    """The checkpoint that a run needs, and the precision."""
    return Wanted(needs.digest, needs.precision)


def _note(worker: str, wanted: Wanted, reason: str, session: Session) -> None:
    note_refusal(session, worker, wanted, reason)


def _clear(worker: str, wanted: Wanted, session: Session) -> None:
    clear_refusal(session, worker, wanted)
