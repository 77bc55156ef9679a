"""Tells whether a run's precision pays on this machine, when its checkpoint is first loaded.

Whatever goes wrong here, the run is scored all the same.
"""

import logging
import platform
from pathlib import Path

from base.console.foreign import shown
from base.console.telling import tell
from base.cores import processor
from db.errors import DatabaseError
from db.precisions import PRECISIONS
from db.queries.refusals import Wanted
from db.queries.runs import RunSpec
from db.queries.speeds import Machine, Rates, is_timed, note_speed
from db.session import Database
from worker import timing
from worker.health.activity import ActivityTracker
from worker.scoring.batch_scores import Engine, TimedEngine

log = logging.getLogger(__name__)

_NOTING = "the speeds in the ledger"


class SpeedCheck:
    """Times each checkpoint in each precision other than float32 once, and notes it in the ledger.

    A machine that is known in the ledger is not timed again.
    """

    def __init__(self, database: Database, engine: Engine, activity: ActivityTracker) -> None:
        self._database, self._engine, self._activity = database, engine, activity
        self._checked: set[Wanted] = set()

    def check(self, spec: RunSpec) -> None:
        """Time the network of this run, whose checkpoint was loaded, and log its rates."""
        if spec.precision == PRECISIONS[0] or spec.wanted in self._checked:
            return
        self._checked.add(spec.wanted)
        if not isinstance(self._engine, TimedEngine):
            return
        machine = Machine(platform.node() or "this host", f"{processor()}, {self._engine.device}")
        if not self._may_begin(spec.wanted, machine):
            return
        # Batches of other threads wait meanwhile, under the eyes of the watchdog.
        seconds = min(timing.SPEED_SECONDS, self._activity.hang_seconds / 4)
        rates = self._engine.rates(spec, seconds)
        if rates is None:
            return
        _say(sentence(spec, rates), logging.WARNING if rates.is_slower else logging.INFO)
        self._note(spec.wanted, machine, rates)

    def _may_begin(self, wanted: Wanted, machine: Machine) -> bool:
        """Whether it is not known yet; then the ledger says that it is being timed."""
        try:
            with self._activity.track(_NOTING):
                with self._database.read() as session:
                    if is_timed(session, wanted, machine):
                        return False
                with self._database.write() as session:
                    note_speed(session, wanted, machine, None)
        except DatabaseError as error:
            log.warning("how fast %s is here was not timed: %s", wanted.precision, error.message)
            return False
        return True

    def _note(self, wanted: Wanted, machine: Machine, rates: Rates) -> None:
        try:
            with (
                self._activity.track(_NOTING),
                self._database.write() as session,
            ):
                note_speed(session, wanted, machine, rates)
        except DatabaseError as error:
            log.warning("how fast %s is here was not noted: %s", wanted.precision, error.message)


def _say(line: str, level: int) -> None:
    if log.hasHandlers():
        log.log(level, "%s", line)
    else:  # the first checkpoint is loaded before Celery sets up the log
        tell(line, err=True)


def sentence(spec: RunSpec, rates: Rates) -> str:
    """The line of the log: both rates, and what to do where float32 is faster."""
    name, precision = shown(Path(spec.path).name), spec.precision
    if rates.is_slower:
        return (
            f"{name}: {precision} is slower than float32 on this machine: {rates.rate:.1f} against "
            f"{rates.float32_rate:.1f} images/s of the network alone; enqueue with --precision "
            "float32"
        )
    return (
        f"{name}: {rates.rate:.1f} images/s of the network alone in {precision}, "
        f"{rates.float32_rate:.1f} in float32"
    )
