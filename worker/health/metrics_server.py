"""Serves a worker's metrics to Prometheus when `METRICS_PORT` is set."""

import errno
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import click
from prometheus_client import Gauge, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from base.console.telling import tell
from db.errors import DatabaseError
from db.queries.runs import RunSpec
from db.queries.unfinished import Unfinished, count_unfinished
from db.session import Database
from worker import timing
from worker.broker.address import BrokerError
from worker.observability.metrics import REGISTRY, checkpoint_loaded
from worker.publish import waiting_messages

log = logging.getLogger(__name__)

T = TypeVar("T")

_OF_THE_PORT = (errno.EADDRINUSE, errno.EACCES)
# How much of a value a message shows.
_SHOWN_CHARACTERS = 40


class MetricsError(click.ClickException):
    """The metrics cannot be served; the message names the variable."""


class MetricsServer:
    """Answers `GET /metrics` after `start`; without METRICS_PORT it does nothing."""

    def __init__(self, host: str, port: int | None) -> None:
        """`port` 0 takes any free port."""
        self._host, self._port = host, port

    def start(self, database: Database, loaded: RunSpec | None) -> None:
        """Start the server and print its address; `loaded` is the checkpoint that was loaded.

        It answers only once the worker is ready.

        Raises:
            MetricsError: the address is not one of this machine's, or the port is taken or not
                allowed.
        """
        if self._port is None:
            return
        if loaded is not None:
            checkpoint_loaded(loaded)
        gauges = QueueGauges(database, waiting_messages)
        gauges.refresh()
        try:
            server, _ = start_http_server(self._port, self._host, registry=REGISTRY)
        except (OSError, UnicodeError) as error:  # a host name that cannot be encoded
            raise self._refused(error) from error
        gauges.keep_fresh()
        REGISTRY.register(GpuMemory())
        tell(f"metrics on port {server.server_port} of {self._host}, at /metrics", err=True)

    def _refused(self, error: OSError | UnicodeError) -> MetricsError:
        reason = getattr(error, "strerror", None) or "it is not a host name"
        if getattr(error, "errno", None) in _OF_THE_PORT:
            return MetricsError(
                f"METRICS_PORT={self._port}: {reason}; several workers on one machine need a port "
                "each, and 0 takes any that is free"
            )
        return MetricsError(
            f"METRICS_HOST={self._host[:_SHOWN_CHARACTERS]}: {reason}; name an address of this "
            "machine, 127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses"
        )


class QueueGauges:
    """Unfinished batches and waiting messages, as this worker sees them.

    A thread reads them, not the scrape: while a server is away, Prometheus would give up waiting
    and lose the other figures just when they are needed.
    """

    def __init__(self, database: Database, waiting: Callable[[], int]) -> None:
        self._database, self._waiting = database, waiting
        self._queued = _gauge("queue_length", "Messages that wait; NaN while the broker is away.")
        self._unfinished = _gauge(
            "owed_batches",
            "Unfinished batches in the ledger, over all runs; NaN while the database is away.",
        )
        self._leased = _gauge(
            "leased_batches",
            "Unfinished batches that a worker works on; NaN while the database is away.",
        )
        self._broker = _gauge("broker_reachable", "1 or 0: this worker reaches the broker.")
        self._ledger = _gauge("database_reachable", "1 or 0: this worker reaches the database.")

    def keep_fresh(self) -> None:
        """Refresh the figures every few seconds until the process ends."""
        threading.Thread(target=self._run, daemon=True, name="metrics").start()

    def refresh(self) -> None:
        """Update the figures; unavailable values are NaN."""
        queued = _unless_away(self._waiting)
        self._broker.set(queued is not None)
        self._queued.set(math.nan if queued is None else queued)
        counts = _unless_away(self._count)
        self._ledger.set(counts is not None)
        self._unfinished.set(math.nan if counts is None else counts.unfinished)
        self._leased.set(math.nan if counts is None else counts.leased)

    def _count(self) -> Unfinished:
        with self._database.read() as session:
            return count_unfinished(session)

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(timing.METRICS_SECONDS):
            try:
                self.refresh()
            except Exception:
                # If this thread ended, the server would show old figures from then on.
                log.exception("metrics: reading queue and ledger failed; it tries again")


def _gauge(name: str, meaning: str) -> Gauge:
    return Gauge(f"dermscore_{name}", meaning, registry=REGISTRY)


def _unless_away(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (BrokerError, DatabaseError):  # the upkeep logs it
        return None


class GpuMemory(Collector):
    """TensorFlow's memory on this worker's GPU, if there is one. Untested on a GPU."""

    def collect(self) -> Iterator[Metric]:
        """Current and peak bytes; nothing if no GPU is in use."""
        family = GaugeMetricFamily(
            "dermscore_gpu_memory_bytes",
            "TensorFlow's memory on the GPU, current and peak; without a GPU no sample.",
            labels=["kind"],
        )
        if "base.runtime" in sys.modules:  # TensorFlow is never imported for a metric
            from base.runtime import gpus, tf

            with suppress(ValueError):  # a device without this figure should not cost the others
                used = tf.config.experimental.get_memory_info("GPU:0") if gpus else {}
                for kind, size in used.items():
                    family.add_metric([kind], size)
        yield family
