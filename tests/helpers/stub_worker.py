"""The real worker with a stub in the scorer's place: `celery -A stub_worker worker`.

Tasks, lifecycle, ledger, upkeep and broker are the product's own. Only the network is gone, and
with it TensorFlow, so that a worker is ready in about a second. `STUB_MODE` says what an image is:

- `instant` (default): no file is read, the image is a hash of its path
- `wait`: the same, and each batch takes `STUB_SECONDS` (default 1)
- `colour`: the file is read as the worker reads it, and holds a number that `colours.draw_number`
  drew, so that an image mixed up with another shows as a wrong score; `STUB_IMAGE_SECONDS` (default
  0) is what each image takes
- `int8`: no stub: the real engine, harmed in the same ways (see `int8_engine`)

Faults are armed from outside. A file `die.POINT` in the working folder kills the next process that
comes to the point, once (see `points`): load, lease, read, predict, commit, acknowledge, in the
order in which a batch comes by; a file `stop.POINT` has it stand still there. An image whose name
contains `kills` kills its process each time, one whose name contains `hangs` is never done.
While there is a file `refuse` in the working folder, no checkpoint can be had; loading one whose
name contains `endless` never ends. One whose name contains `contrary` takes images whose names end
with `0` for the other class: it gives 1 less their score.
`STUB_LEASE_SECONDS` shortens leases, and with them the rounds of upkeep;
`STUB_VISIBILITY_SECONDS` how long Redis waits for an acknowledgement.

A file `up.PID` in the working folder tells that the worker takes messages.
"""

import logging
import os
import signal
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from celery.signals import worker_ready
from colours import HIGHEST, number_drawn, score_of_number
from points import die_at, then_die_at

import worker.lifecycle
import worker.process
import worker.scoring.batch_ledger
from db.queries.outcomes import Seconds, finish_batch
from db.queries.runs import RunSpec
from imaging.data_root import Root
from imaging.decoding.image_file import ImageFile, check_header, read_images
from imaging.errors import ImageError
from model.card import read_checkpoint_card
from model.errors import CheckpointError
from worker import timing
from worker.celery import app
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores

__all__ = ["app"]


class StubEngine:
    """What a worker needs of `worker.scoring.engine.ModelEngine`: this class is all it knows."""

    device = "stub"

    def __init__(self, root: Root) -> None:
        self._root = root
        self._prepared: set[str] = set()
        self._failures: dict[str, CheckpointError] = {}
        self._mode = os.environ.get("STUB_MODE", "instant")
        self._seconds = float(os.environ.get("STUB_SECONDS", "1")) if self._mode == "wait" else 0
        self._image_seconds = float(os.environ.get("STUB_IMAGE_SECONDS", "0"))
        self._computing = threading.Lock()  # one batch at a time, as the real one

    def prepare(self, spec: RunSpec) -> None:
        if Path("refuse").exists():
            raise CheckpointError(f"{spec.path} cannot be run: the stub was told to refuse it")
        if spec.digest not in self._prepared:
            try:
                self._load(spec)
            except CheckpointError as error:
                self._failures[spec.digest] = error
                raise
            self._failures.pop(spec.digest, None)
            self._prepared.add(spec.digest)

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], _known: KnownDigests
    ) -> BatchScores:
        die_at("lease")
        outcome = RunScores({}, {}, {}, {})
        if self._mode == "colour":
            self._read_colours(paths, outcome)
        else:
            outcome.scores.update(enumerate(map(score_of_path, paths)))
        seconds = self._seconds + self._image_seconds * len(paths)
        if seconds:
            with self._computing:
                time.sleep(seconds)
        die_at("predict")
        told = [_contrary(outcome, paths) if "contrary" in run.path else outcome for run in runs]
        return BatchScores(told, Seconds(compute=seconds))

    def failure(self, digest: str, _precision: str) -> CheckpointError | None:
        return self._failures.get(digest)

    def close(self) -> None:
        pass

    def _load(self, spec: RunSpec) -> None:
        die_at("load")
        if "endless" in spec.path:
            threading.Event().wait()
        found = read_checkpoint_card(Path(spec.path)).digest
        if found != spec.digest:
            raise CheckpointError(f"{spec.path} is another checkpoint ({found[:12]})")

    def _read_colours(self, paths: Sequence[str], outcome: RunScores) -> None:
        files = list(read_images(self._root, paths))
        die_at("read")
        for at, (path, file) in enumerate(zip(paths, files, strict=True)):
            _harm(path)
            try:
                outcome.scores[at] = score_of_number(_number(file, at, outcome.digests))
            except ImageError as error:
                outcome.errors[at] = error


@worker_ready.connect  # type: ignore[untyped-decorator] # celery has no types
def _tell(**_: object) -> None:
    Path(f"up.{os.getpid()}").touch()


def score_of_path(path: str) -> float:
    """The score of a path in the modes that read no file."""
    return score_of_number(zlib.crc32(path.encode(errors="surrogateescape")) & HIGHEST)


def _number(file: ImageFile | ImageError, at: int, digests: dict[int, str]) -> int:
    if isinstance(file, ImageError):
        raise file
    digests[at] = file.digest
    check_header(file.data)
    return number_drawn(file.data)


def _contrary(outcome: RunScores, paths: Sequence[str]) -> RunScores:
    turned = {
        at: 1 - score if Path(paths[at]).stem.endswith("0") else score
        for at, score in outcome.scores.items()
    }
    return outcome._replace(scores=turned)


def _harm(path: str) -> None:
    if "kills" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs" in path:
        threading.Event().wait()


def _shorten(lease: float) -> None:
    timing.LEASE_SECONDS = timing.REPUBLISH_SECONDS = lease
    timing.BEAT_SECONDS = timing.SWEEP_SECONDS = lease / 6
    timing.STANDSTILL_SECONDS = lease * 2 / 3


# From outside: the product has no such doors.
if os.environ.get("STUB_MODE") == "int8":
    import int8_engine  # deferred: it takes TensorFlow

    worker.lifecycle.make_engine = int8_engine.harmed(  # type: ignore[assignment] # without names
        worker.lifecycle.make_engine
    )
else:
    worker.lifecycle.make_engine = StubEngine
worker.scoring.batch_ledger.finish_batch = then_die_at("commit", finish_batch)  # type: ignore[attr-defined] # imported there
worker.process.WorkerProcess.score = then_die_at(  # type: ignore[method-assign] # on purpose
    "acknowledge", worker.process.WorkerProcess.score
)
if "STUB_VISIBILITY_SECONDS" in os.environ:
    # Here a message that comes again is told.
    logging.getLogger("worker.scoring.batch_processor").setLevel(logging.DEBUG)
    app.conf.broker_transport_options |= {
        "visibility_timeout": float(os.environ["STUB_VISIBILITY_SECONDS"]),
        "unacked_restore_interval": 1,
    }
if "STUB_LEASE_SECONDS" in os.environ:
    _shorten(float(os.environ["STUB_LEASE_SECONDS"]))
