"""How fast a frozen graph computes in its precision and in float32, on this machine."""

import logging
import threading
import time
from collections.abc import Callable

from base.arrays import Float32Array
from db.queries.speeds import Rates
from worker import timing
from worker.scoring.graphs.frozen import FrozenGraph

log = logging.getLogger(__name__)

_MOST_IMAGES = 64
_ROUNDS = 2
_Compute = Callable[[Float32Array], Float32Array]


class GraphSpeeds:
    """The rates of graphs; checkpoints that share a backbone share its rates."""

    def __init__(self) -> None:
        self._found: dict[int, Rates | None] = {}

    def rates_of(self, graph: object, precision: str, seconds: float) -> Rates | None:
        """Images per second; None if it is no graph of TensorFlow, or the timing fails.

        It computes in a thread of its own, which is given up after so many seconds.
        """
        if not isinstance(graph, FrozenGraph):
            return None
        if id(graph) not in self._found:
            self._found[id(graph)] = _rates_in_time(graph, precision, seconds)
        return self._found[id(graph)]


def _rates_in_time(graph: FrozenGraph, precision: str, seconds: float) -> Rates | None:
    found: list[Rates] = []
    given_up = threading.Event()

    def measure() -> None:
        try:
            with graph.in_float32() as in_float32:
                rates = compared(graph, in_float32, graph.sample, given_up.is_set)
        except Exception:
            # Whatever it is, for instance too little memory: the run is scored all the same.
            log.exception("how fast %s is here is not known; scoring goes on", precision)
            return
        if rates is not None:
            found.append(rates)

    thread = threading.Thread(target=measure, daemon=True, name="speed")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        given_up.set()
        log.warning(
            "timing %s against float32 did not end within %.1f seconds; scoring goes on",
            precision,
            seconds,
        )
    return found[0] if found else None


def compared(
    first: _Compute,
    second: _Compute,
    sample: Callable[[int], Float32Array],
    is_given_up: Callable[[], bool] = lambda: False,
) -> Rates | None:
    """The rates of two that compute the same, in turns, each the better of two warm rounds.

    A pair of images says how many fit into `timing.SPEED_RUN_SECONDS`. None once it is given up.
    """
    sides = (first, second)
    _turn(sides, sample(2))
    slowest = max(_turn(sides, sample(2)))
    images = sample(max(2, min(_MOST_IMAGES, int(2 * timing.SPEED_RUN_SECONDS / slowest))))
    turns = []
    for _ in range(1 + _ROUNDS):  # the first with this number of images makes them warm
        if is_given_up():
            return None
        turns.append(_turn(sides, images))
    best = [min(seconds) for seconds in zip(*turns[1:], strict=True)]
    return Rates(*(len(images) / seconds for seconds in best))


def _turn(sides: tuple[_Compute, ...], images: Float32Array) -> list[float]:
    """Seconds of each side."""
    seconds = []
    for compute in sides:
        began = time.perf_counter()
        compute(images)
        seconds.append(max(time.perf_counter() - began, 1e-9))
    return seconds
