"""One measurement: reads a `Job` from standard input, and prints what was found as JSON."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from db.queries.runs import RunSpec
from imaging.data_root import data_root
from model.errors import CheckpointError
from model.features.feature_cache import feature_folder
from worker.bench.child import Job
from worker.scoring.engine import ModelEngine
from worker.scoring.features import RunFeatures
from worker.scoring.loaded_model import LoadedModel
from worker.scoring.model_registry import ModelRegistry

_BATCH = 64
# Batches in a worker that overlap by default: one decodes while another computes.
_CONCURRENCY = 2
_ROUNDS = 3


def main() -> None:
    """Measure, and print the fields of `Measured`, or the `reason` why not."""
    line = sys.stdin.readline()
    if not line:  # the command has ended already
        return
    job = Job(*json.loads(line))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.write(json.dumps(_measured(job)))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _measured(job: Job) -> dict[str, Any]:
    registry = ModelRegistry(None)
    engine = ModelEngine(data_root(), registry, RunFeatures(feature_folder()))
    spec = RunSpec(0, "", job.digest, job.checkpoint, job.precision, keep_features=False)
    try:
        model = registry.get(spec)
    except CheckpointError as error:
        return {"reason": error.message}
    network_rate = _network_rate(model)
    scores, rate = _scored(engine, spec, job.images)
    if not scores:
        return {"reason": "none of the images could be scored: see `producer enqueue` of them"}
    return {"network_rate": network_rate, "rate": rate, "peak": _peak(), "scores": scores}


def _network_rate(model: LoadedModel) -> float:
    """Images per second of the backbone and the head, on batches in memory."""
    side = model.card.decode
    shape = (_BATCH, side.height, side.width, 3)
    images = np.random.default_rng(0).random(shape, np.float32)
    return _BATCH / _best(lambda: model.score_images(images))


def _scored(
    engine: ModelEngine, spec: RunSpec, images: Sequence[str]
) -> tuple[dict[str, float], float]:
    """Scores by path, and images per second with reading and decoding, as in a worker."""
    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    scores: dict[str, float] = {}

    def score(batch: Sequence[str]) -> None:
        (run,) = engine.score([spec], batch, lambda _: {}).runs
        scores.update((batch[position], score) for position, score in run.scores.items())

    def score_all() -> None:
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            list(pool.map(score, batches))

    seconds = _best(score_all)
    return scores, len(images) / seconds


def _best(work: Callable[[], object]) -> float:
    """Seconds of the quickest of some rounds, after one that warms up."""
    seconds = []
    for _ in range(1 + _ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def _peak() -> int:
    """The most memory that this process held, in bytes."""
    rows = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next((int(row[1]) * 1024 for row in rows if row and row[0] == "VmHWM:"), 0)


if __name__ == "__main__":
    main()
