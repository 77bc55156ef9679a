"""A quantised backbone, computed by OpenVINO."""

import threading
from functools import partial
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from base.arrays import Float32Array
from base.cores import threads
from imaging.decoding.memory import give_back_memory
from model.errors import CheckpointError
from model.quantised.network_file import unsafe
from model.quantised.stored_network import QuantisedNetwork
from worker.scoring.graphs.requests import Requests

_LIBRARIES = frozenset({"openvino", "nncf"})
# Numbers that one layer gives for one image; those of keras.applications give 40 million at most.
_MOST_NUMBERS = 1 << 28
# So many images are computed together by one thread, with each layer's weights read once for all:
# 28.5 ms of a core for each instead of 30.2. Eight take 28.1, and leave threads idle at the end.
SLICE = 4


class OpenvinoGraph:
    """A quantised backbone with the interface of a `FrozenGraph`.

    Four images are computed by one thread, as many fours at a time as there are threads: so two of
    the cores' threads never wait for each other within an image. What is left of a batch goes one
    by one, and so do all images of a network that gives other features in fours, to the bit.
    """

    def __init__(
        self, network: QuantisedNetwork, shape: tuple[int, int, int], precision: str = "float32"
    ) -> None:
        """Compile the network, which takes `[n, *shape]`, and warm up.

        Raises:
            CheckpointError: OpenVINO is not installed or refuses the network, or the run asks for
                another precision.
        """
        refuse_precision(precision)
        self.shape = network.shape
        # The requests belong to one batch at a time.
        self._computing = threading.Lock()
        self._one, four = _compiled(network, shape)
        is_alike = four is not None and _are_alike(self._one, four, shape, self.shape)
        self._four = four if is_alike else None
        give_back_memory()

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Features `[n, *self.shape]` of images `[n, height, width, 3]`, in the same order."""
        # Whatever OpenVINO left out would be no score, rather than one of other images.
        features = np.full((len(rows), *self.shape), np.nan, np.float32)
        in_fours = 0 if self._four is None else len(rows) - len(rows) % SLICE
        with self._computing:
            if self._four is not None:
                self._four.compute(rows[:in_fours], features[:in_fours])
            self._one.compute(rows[in_fours:], features[in_fours:])
        return features


def _are_alike(
    one: Requests, four: Requests, shape: tuple[int, ...], features: tuple[int, ...]
) -> bool:
    """Whether images get the same features together and one by one; both are warm then."""
    images = np.random.default_rng(0).random((SLICE, *shape), np.float32)
    together, alone = np.full((2, SLICE, *features), np.nan, np.float32)
    four.compute(images, together)
    one.compute(images, alone)
    return np.array_equal(together, alone)


def refuse_precision(precision: str) -> None:
    """Refuse a precision other than the default: int8 is the checkpoint's own.

    Raises:
        CheckpointError: says what to type.
    """
    if precision != "float32":
        raise CheckpointError(
            f"a quantised checkpoint computes in int8, not in {precision}: enqueue with "
            "--precision float32, the default"
        )


def missing(needs: str, error: Exception) -> CheckpointError:
    """What to type where a library of the extra is absent, and of a broken one why it is."""
    absent = isinstance(error, ModuleNotFoundError) and error.name in _LIBRARIES
    reason = "" if absent else f" ({' '.join(str(error).split())[:200]})"
    return CheckpointError(f"{needs}: pip install 'dermscore[openvino]'{reason}")


def _compiled(
    quantised: QuantisedNetwork, shape: tuple[int, int, int]
) -> tuple[Requests, Requests | None]:
    """Requests for one image, and for four; None where the network does not take four."""
    try:
        import openvino  # deferred: it takes time and memory, and most checkpoints need none of it
    except (ImportError, OSError) as error:
        raise missing("a quantised checkpoint needs OpenVINO", error) from error
    streams = threads()
    options = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
        # Otherwise it takes bfloat16 where the processor has it, for all that is not int8.
        "INFERENCE_PRECISION_HINT": "f32",
        # Several workers would share the first cores and leave the others idle.
        "ENABLE_CPU_PINNING": False,
    }
    core = openvino.Core()

    def requests(network: Any, size: int) -> Requests:  # noqa: ANN401 - openvino.Model
        compiled = core.compile_model(network, "CPU", options)
        return Requests(partial(openvino.AsyncInferQueue, compiled, streams), size)

    try:
        weights = openvino.Tensor(np.frombuffer(quantised.constants, np.uint8))
        network = core.read_model(quantised.xml, weights)
        _refuse_shapes(network, shape, quantised.shape)
        one = requests(network, 1)
        if not _takes_four(network, shape, quantised.shape):
            return one, None
        return one, requests(network, SLICE)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"its quantised network cannot be run: {reason}") from error


def _takes_four(network: Any, shape: tuple[int, ...], features: tuple[int, ...]) -> bool:  # noqa: ANN401 - openvino.Model
    """Let a network that takes one image take four, if its shapes allow it and stay moderate."""
    try:
        network.reshape([SLICE, *shape])
    except RuntimeError:
        return False
    sizes = (prod(made.shape) for operation in network.get_ops() for made in operation.outputs())
    return tuple(network.output(0).shape) == (SLICE, *features) and max(sizes) <= _MOST_NUMBERS


def _refuse_shapes(network: Any, shape: tuple[int, ...], features: tuple[int, ...]) -> None:  # noqa: ANN401 - openvino.Model
    """Refuse a network of other shapes than its layer says, or of enormous ones."""
    ends = [tuple(network.input(0).shape), tuple(network.output(0).shape)]
    if ends != [(1, *shape), (1, *features)]:
        raise unsafe(f"maps {ends[0]} to {ends[1]}, not {(1, *shape)} to {(1, *features)}")
    for operation in network.get_ops():
        _refuse_indices(operation)
        for output in operation.outputs():
            if prod(output.shape) > _MOST_NUMBERS:
                raise unsafe(f"holds {prod(output.shape):,} numbers between two layers")


def _refuse_indices(operation: Any) -> None:  # noqa: ANN401 - openvino.Node
    """Refuse to gather what lies outside of a tensor, or by numbers that only a run would show."""
    if operation.get_type_name() != "Gather":
        return
    indices, axis = (operation.input_value(at).get_node() for at in (1, 2))
    if {indices.get_type_name(), axis.get_type_name()} != {"Constant"}:
        raise unsafe("gathers by numbers that it computes")
    sides = tuple(operation.input_value(0).shape)
    (at,) = axis.data.ravel().tolist() if axis.data.size == 1 else (len(sides),)
    if not -len(sides) <= at < len(sides) or not _are_inside(indices.data, sides[at]):
        raise unsafe("gathers what lies outside of a tensor")


def _are_inside(indices: npt.NDArray[np.integer[Any]], side: int) -> bool:
    return bool(((indices >= -side) & (indices < side)).all())
