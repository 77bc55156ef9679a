"""From `worker_init` to the last batch: what `celery -A worker worker` does around its tasks."""

import logging
import os
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from celery import bootsteps
from celery.signals import worker_init
from celery.worker import state

from db.ledger import BatchKey
from db.runs import checkpoint_of, run_by_number, wanted_checkpoint
from db.session import Database, open_database
from model.settings import data_root
from worker.batches import BatchScoring
from worker.celery import app, settings
from worker.publish import broker_name, require_broker
from worker.scorers import Scorers
from worker.upkeep import Drained, Upkeep

if TYPE_CHECKING:
    from worker.scorer import Scorer

log = logging.getLogger(__name__)


class Scoring:
    """Everything a worker process holds: the ledger, the loaded checkpoints, its name."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.scorers = Scorers(settings.checkpoint)
        self._batches = BatchScoring(database, root, self.worker)

    def load_first(self) -> "Scorer | None":
        """Load `CHECKPOINT`, or else the checkpoint that is likely wanted first."""
        if settings.checkpoint is not None:
            return self.scorers.load(settings.checkpoint)
        with self.database.read() as session:
            wanted = wanted_checkpoint(session)
        return None if wanted is None else self.scorers.get(wanted)

    def score(self, key: BatchKey) -> None:
        """Score one batch; without its checkpoint or the ledger, leave it to others."""
        try:
            with self.database.read() as session:
                checkpoint = checkpoint_of(session, run_by_number(session, key.run_id))
            self._batches.score(key, self.scorers.get(checkpoint))
        except click.ClickException as error:
            # The ledger keeps what is owed, and a sweep sends it again.
            log.error("run %d batch %d: %s", *key, error.message)  # noqa: TRY400 - a full sentence


_scoring: list[Scoring] = []


def scoring() -> Scoring:
    """This process's, made by `worker_init`."""
    return _scoring[0]


@worker_init.connect  # type: ignore[untyped-decorator] # celery has no types
def _start(**_: Any) -> None:  # noqa: ANN401 - celery's own signature
    """Open the ledger and load the checkpoint, or end the worker with one clear line."""
    try:
        require_broker()
        process = Scoring(open_database(), data_root())
        scorer = process.load_first()
    except click.ClickException as error:
        # Any other exception would be logged, and the worker would take tasks regardless.
        raise SystemExit(f"Error: {error.message}") from error
    _scoring[:] = [process]
    click.echo(_greeting(process, scorer), err=True)


def _greeting(process: Scoring, scorer: "Scorer | None") -> str:
    if scorer is None:
        checkpoint = "none yet, the first run's will be loaded"
    else:
        checkpoint = f"{scorer.path.name} ({scorer.card.digest[:12]}), on {scorer.device}, float32"
    return (
        f"worker {process.worker}\n  checkpoint {checkpoint}\n  database {process.database}\n"
        f"  broker {broker_name()}\n"
        f"  images under {data_root().resolve()}"
    )


class UpkeepStep(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Starts and stops the upkeep thread with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, *, drain: bool = False, **options: Any) -> None:  # noqa: ANN401 - celery's
        super().__init__(parent, **options)
        self._drain = drain
        self._upkeep: Upkeep | None = None

    def start(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - celery's own signature
        """Begin upkeep; Celery calls this once the pool is up."""
        process = scoring()
        self._upkeep = Upkeep(process.database, process.worker, process.scorers.failed)
        self._upkeep.start(_end_worker if self._drain else None)

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - celery's own signature
        """End upkeep."""
        if self._upkeep is not None:
            self._upkeep.stop()


def _end_worker(drained: Drained) -> None:
    if drained is Drained.FINISHED:
        log.info("drained: no unfinished batch is left")
    # What Celery's own remote shutdown sets; the consumer looks at it between two messages.
    state.should_stop = drained.value


app.steps["worker"].add(UpkeepStep)
