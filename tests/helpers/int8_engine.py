"""The real engine with an int8 checkpoint, harmed where the stub is, but inside OpenVINO.

What an image does is done by OpenVINO's own thread in the midst of the batch, by its name: `kills`
reads from address zero, which ends the process with SIGSEGV; `hangs` never comes back; `harms`
does what the first file `harm.NUMBER.KIND` of the working folder says, which is then gone:
`crash`, `hang`, `kill` as the kernel does when memory runs out, or `fail`, an error that the
process survives.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from points import die_at

from db.queries.runs import RunSpec
from imaging.data_root import Root
from worker.scoring.batch_scores import BatchScores, Engine, KnownDigests

# The images that are being computed; one batch is, at a time.
_computed: list[str] = []
# Held from the first harm of this process on that it does not survive.
_once = threading.Lock()


def harmed(make_engine: Callable[[Root], Engine]) -> Callable[[Root], Engine]:
    """The same engines, with points and harm in their way."""

    def make(root: Root) -> Engine:
        engine = make_engine(root)
        _harm_openvino()
        _harm_passes()
        return _Harmed(engine)

    return make


class _Harmed:
    """Comes by the points `load`, `lease` and `predict`; all else is the engine's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loaded = set[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prepare(self, spec: RunSpec) -> None:
        if spec.digest not in self._loaded:
            die_at("load")
        self._engine.prepare(spec)
        self._loaded.add(spec.digest)

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        die_at("lease")
        scored = self._engine.score(runs, paths, known)
        die_at("predict")
        return scored


def _harm_passes() -> None:
    """Let a batch come by the point `read`, take its time, and tell what is computed."""
    # Deferred, as in the worker: they take TensorFlow.
    import worker.scoring.engine
    from worker.scoring.forward_pass import ForwardPass

    seconds = float(os.environ.get("STUB_IMAGE_SECONDS", "0"))

    class HarmedPass(ForwardPass):
        def decode(self, *args: Any, **kwargs: Any) -> None:
            super().decode(*args, **kwargs)
            die_at("read")

        def compute(self, *args: Any, **kwargs: Any) -> Any:
            time.sleep(seconds * len(self._paths))
            _computed[:] = self._paths
            try:
                return super().compute(*args, **kwargs)
            finally:
                _computed.clear()

    worker.scoring.engine.ForwardPass = HarmedPass  # type: ignore[attr-defined] # on purpose


def _harm_openvino() -> None:
    import openvino

    set_callback = openvino.AsyncInferQueue.set_callback

    def harming(queue: Any, take: Callable[..., None]) -> None:
        def harmed_take(request: Any, *told: Any) -> None:
            try:
                for path in _computed:
                    _harm(path)
            except MemoryError:
                request = _WithoutMemory()
            take(request, *told)

        set_callback(queue, harmed_take)

    openvino.AsyncInferQueue.set_callback = harming


class _WithoutMemory:
    """A request whose result cannot be had."""

    def __getattr__(self, name: str) -> Any:
        raise MemoryError


def _harm(path: str) -> None:
    kinds = {"kills": "crash", "hangs": "hang", "harms": ""}
    word = next((word for word in kinds if word in path), None)
    # The other thread goes on: one harm is enough.
    if word is None or not _once.acquire(blocking=False):
        return
    match kinds[word] or _next_kind():
        case "crash":
            ctypes.string_at(0)
        case "hang":
            threading.Event().wait()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            _once.release()
            raise MemoryError


def _next_kind() -> str:
    for file in sorted(Path().glob("harm.*"))[:1]:
        file.unlink()
        return file.suffix[1:]
    return ""
