"""What a worker counts for Prometheus; `worker.health.metrics_server` serves it.

Counters start at zero with this process and end with it; stored results are in the ledger. They are
summed over workers, so no metric carries a worker's name.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)

from db.queries.outcomes import Outcome, Seconds
from db.queries.runs import RunSpec
from db.throughput import Finished
from imaging.errors import ErrorCode
from worker.observability.throughput import Throughput

SCORED = "scored"

# Otherwise each counter would get a second series with the time at which it began.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

IMAGES = Counter(
    "dermscore_images",
    "Images that got their outcome: scored, or the code of the error.",
    ["outcome"],
    registry=REGISTRY,
)
BATCHES = Counter("dermscore_batches", "Batches scored and stored.", registry=REGISTRY)
FAILED = Counter(
    "dermscore_failed_batches",
    "Batches given back to others: ledger unreachable or checkpoint not found.",
    registry=REGISTRY,
)
SECONDS = Counter(
    "dermscore_stage_seconds",
    "Seconds spent on batches, by stage: read, decode, compute, write.",
    ["stage"],
    registry=REGISTRY,
)
DRAINING = Gauge(
    "dermscore_draining",
    "1 for a worker that ends when nothing is left to score (`--drain`).",
    registry=REGISTRY,
)
CHECKPOINT = Gauge(
    "dermscore_checkpoint_info",
    "1 for each checkpoint that this worker has loaded: SHA-256 digest and precision.",
    ["digest", "precision"],
    registry=REGISTRY,
)

# A series that exists from the start has a rate from its first image on.
for _outcome in (SCORED, *get_args(ErrorCode)):
    IMAGES.labels(_outcome)
for _stage in Seconds._fields:
    SECONDS.labels(_stage)


_throughput = Throughput()
Gauge(
    "dermscore_images_per_second",
    "Throughput of the last minute, or since the work began, as the log and `status` have it.",
    registry=REGISTRY,
).set_function(_throughput.now)


def batches_ended(
    specs: Sequence[RunSpec],
    outcomes: Sequence[Outcome],
    seconds: Seconds,
    finished: Finished | None,
) -> float:
    """Count batches that were stored together, one for each of `specs`, and their outcomes.

    Returns this worker's images per second: of the (first) run, if the ledger recorded its batch as
    finished, else of all runs.
    """
    for spec in specs:
        BATCHES.inc()
        checkpoint_loaded(spec)
    for outcome, images in Tally(outcome.error or SCORED for outcome in outcomes).items():
        IMAGES.labels(outcome).inc(images)
    for stage, spent in seconds._asdict().items():
        SECONDS.labels(stage).inc(spent)
    return _throughput.now() if finished is None else _throughput.add(specs[0].run_id, finished)


def checkpoint_loaded(spec: RunSpec) -> None:
    """Name a checkpoint that this worker has loaded."""
    CHECKPOINT.labels(spec.digest, spec.precision).set(1)
