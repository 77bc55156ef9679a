"""From `worker_init` to the last batch: what `celery -A worker worker` does around its tasks."""

import gc
import logging
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
from celery import bootsteps
from celery.signals import worker_init, worker_shutdown
from celery.worker import state

from base.console.foreign import for_terminal
from base.console.telling import tell
from base.settings import forget_celerys_broker
from db.errors import DatabaseError
from db.precisions import PRECISIONS
from db.queries.refusals import why_not_loaded
from db.queries.results import failed_wholly
from db.queries.runs import RunSpec, wanted_first
from db.queries.unfinished import unfinished_checkpoints
from db.session import Database, open_database
from imaging.data_root import Root, data_root
from imaging.nothing_scored import nothing_scored
from model.card import claimed_card
from model.checkpoint_requirements import refuse_unloadable_file
from model.errors import CheckpointError
from model.features.feature_cache import feature_folder
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_store import GraphStore
from worker import timing
from worker.broker import embedded
from worker.celery import app, settings
from worker.health.ending import is_asked
from worker.health.metrics_server import MetricsServer
from worker.health.upkeep import Drained, Upkeep, doubt
from worker.observability import metrics, tracing
from worker.observability.profile import Profile
from worker.process import WorkerProcess, be_current, current_process
from worker.publish import broker_name, require_broker
from worker.scoring.batch_scores import Engine

log = logging.getLogger(__name__)


def make_engine(root: Root) -> Engine:
    """The engine that this worker scores with."""
    # Deferred: TensorFlow takes seconds, and a bad setting should be reported first.
    from worker.observability.native_lines import NativeLines
    from worker.scoring.engine import ModelEngine
    from worker.scoring.features import RunFeatures
    from worker.scoring.model_registry import ModelRegistry

    shelf = GraphShelf(GraphStore(feature_folder(), log.warning))
    registry, features = ModelRegistry(settings.checkpoint, shelf), RunFeatures(feature_folder())
    return ModelEngine(root, registry, features, NativeLines())


@worker_init.connect  # type: ignore[untyped-decorator] # celery has no types
def _start(sender: Any, **_: Any) -> None:  # noqa: ANN401 - celery's own signature
    """Open the ledger and load the checkpoint, or end the worker with one clear line."""
    try:
        forget_celerys_broker(settings.broker_url)  # the command line has just set it
        tracing.set_up()
        metrics_server = MetricsServer(settings.metrics_host, settings.metrics_port)
        require_broker()
        database, root = open_database(standstill_seconds=timing.STANDSTILL_SECONDS), data_root()
        first = _wanted_first(database)
        process = WorkerProcess(database, make_engine(root), sender.hostname)
        process.watch()
        if first is not None and not _is_prepared(process, first):
            first = None
        metrics_server.start(database, first)
    except click.ClickException as error:
        # Any other exception would be logged, and the worker would take tasks regardless.
        raise SystemExit(for_terminal(f"Error: {error.message}")) from error
    be_current(process)
    if database.warning is not None:
        tell(database.warning, err=True)
    for line in _greeting(process, first):
        tell(line, err=True)
    if first is None and (question := doubt(database)):
        tell(question, err=True)


def _wanted_first(database: Database) -> RunSpec | None:
    """`CHECKPOINT`, or else the checkpoint that is probably needed first."""
    with database.read() as session:
        wanted = wanted_first(session)
        if wanted is not None and why_not_loaded(session, wanted.wanted):
            wanted = None
    if settings.checkpoint is None:
        return wanted
    # A bad file should not wait for TensorFlow; whether it fits its card is checked on loading.
    card = claimed_card(settings.checkpoint)
    refuse_unloadable_file(settings.checkpoint, card)
    if wanted is not None and wanted.digest == card.digest:
        return wanted._replace(path=str(settings.checkpoint))
    return RunSpec(0, "", card.digest, str(settings.checkpoint), PRECISIONS[0], keep_features=False)


def _is_prepared(process: WorkerProcess, first: RunSpec) -> bool:
    """Load the checkpoint of `first`; a failure is tolerated only if other runs are unfinished.

    Raises:
        CheckpointError: it could not be loaded, and no other run is unfinished.
    """
    try:
        process.batches.load(first)
    except CheckpointError as error:
        with process.database.read() as session:
            unfinished = set(unfinished_checkpoints(session))
        if not first.run_id or unfinished <= {(first.digest, first.precision)}:
            raise
        log.error("run %d: %s", first.run_id, error.message)  # noqa: TRY400 - a full sentence
        return False
    return True


def _greeting(process: WorkerProcess, first: RunSpec | None) -> tuple[str, ...]:
    if first is None:
        checkpoint = f"none yet, the first run's will be loaded on {process.engine.device}"
    else:
        checkpoint = (
            f"{Path(first.path).name} ({first.digest[:12]}), on {process.engine.device}, "
            f"{first.precision}"
        )
    database = f"{process.database}{' (new)' if process.database.is_new else ''}"
    return (
        f"worker {process.worker}",
        f"  checkpoint {checkpoint}",
        f"  database {database}",
        f"  broker {broker_name()}",
        f"  images under {_root_name(data_root())}",
    )


def _root_name(root: Root) -> str:
    return str(root.resolve() if isinstance(root, Path) else root)


class UpkeepStep(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Starts and stops the upkeep thread with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:  # noqa: ANN401 - celery's
        super().__init__(parent, **options)
        self._drain = bool(options.get("drain"))
        metrics.DRAINING.set(self._drain)
        folder = options.get("profile")
        self._profile = Profile(Path(folder), options["profile_batches"]) if folder else None
        self._upkeep: Upkeep | None = None
        # Workers know of each other through the ledger only. Celery's own exchange through Redis
        # takes a second at the start, fails when Redis goes away, and is unsigned: it can make a
        # worker send what another one says.
        parent.options.update(without_gossip=True, without_mingle=True)

    def start(self, parent: Any) -> None:  # noqa: ANN401, ARG002 - celery's own signature
        """Start upkeep; Celery calls this once the pool is up."""
        process = current_process()
        process.profile = self._profile
        process.start()
        process.ending.heed_signals()
        embedded.Transport.is_ending = staticmethod(is_asked)
        self._upkeep = Upkeep(
            process.database, process.activity, process.retry, process.engine.failure
        )
        self._upkeep.start(partial(_end_worker, process) if self._drain else None)
        if self._drain:
            process.on_idle = self._upkeep.look

    def stop(self, parent: Any) -> None:  # noqa: ANN401 - celery's own signature
        """Stop upkeep, finish what was started, and write what is not written yet.

        The consumer has stopped by now; the pool stops after this.
        """
        process = current_process()
        if self._upkeep is not None:
            self._upkeep.stop()
        process.retry.end()
        if not process.ending.await_begun(parent.pool.executor):
            # Its threads cannot be stopped, and Python would wait for them.
            parent.consumer.shutdown()
            process.give_back()
            os._exit(0)
        process.close()

    terminate = stop


@worker_shutdown.connect  # type: ignore[untyped-decorator] # celery has no types
def _tell_the_end(**_: Any) -> None:  # noqa: ANN401 - celery's own signature
    process = current_process()
    ending = process.ending
    ending.ignore_signals()
    process.database.close()
    # Python would look through all of TensorFlow for garbage before it ends, most of a second.
    gc.freeze()
    if ending.is_asked_for:
        log.info("stopped: nothing is in progress here any more; other workers score what is left")


def _end_worker(process: WorkerProcess, drained: Drained) -> None:
    if drained is Drained.FINISHED:
        log.info("drained: no unfinished batch is left")
        _tell_failed(process)
    # Celery's own remote shutdown sets the same; the consumer checks it between two messages.
    state.should_stop = drained.value


def _tell_failed(process: WorkerProcess) -> None:
    """Log the runs of this worker in which no image at all could be scored."""
    for run_id in sorted(process.batches.runs):
        with suppress(DatabaseError), process.database.read() as session:
            failed = failed_wholly(session, run_id)
            if failed is not None:
                log.error("run %d: %s", run_id, nothing_scored(run_id, *failed))


app.steps["worker"].add(UpkeepStep)
