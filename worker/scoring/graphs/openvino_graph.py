"""A quantised backbone, computed by OpenVINO."""

import threading
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from base.arrays import Float32Array
from base.cores import threads
from imaging.decoding.memory import give_back_memory
from model.errors import CheckpointError
from model.quantised.network_file import unsafe
from model.quantised.quantised_backbone import QuantisedBackbone

MISSING = "a quantised checkpoint needs OpenVINO: pip install 'dermscore[openvino]'"
# Numbers that one layer gives for one image; those of keras.applications give 40 million at most.
_MOST_NUMBERS = 1 << 28


def is_quantised(layers: Sequence[Any]) -> bool:
    """Whether these layers are a quantised backbone."""
    return len(layers) == 1 and isinstance(layers[0], QuantisedBackbone)


class OpenvinoGraph:
    """A quantised backbone with the interface of a `FrozenGraph`.

    Each image is computed by itself, by one thread, as many at a time as there are threads: so its
    features do not depend on the other images of the batch, and two of the cores' threads never
    wait for each other within an image.
    """

    def __init__(
        self, layer: QuantisedBackbone, shape: tuple[int, int, int], precision: str = "float32"
    ) -> None:
        """Compile the network, which takes `[n, *shape]`, and warm up.

        Raises:
            CheckpointError: OpenVINO is not installed or refuses the network, or the run asks for
                another precision.
        """
        refuse_precision(precision)
        self.shape = layer.shape
        self._requests: Any = _compiled(layer, shape)
        # The requests belong to one batch at a time.
        self._computing = threading.Lock()
        self(np.full([2, *shape], 0.5, np.float32))
        give_back_memory()

    def __call__(self, rows: Float32Array) -> Float32Array:
        """Features `[n, *self.shape]` of images `[n, height, width, 3]`, in the same order."""
        features = np.empty((len(rows), *self.shape), np.float32)

        def take(request: Any, position: int) -> None:  # noqa: ANN401 - openvino.InferRequest
            features[position] = request.get_output_tensor(0).data[0]

        with self._computing:
            self._requests.set_callback(take)
            try:
                for position in range(len(rows)):
                    self._requests.start_async([rows[position : position + 1]], position)
            finally:
                self._requests.wait_all()
        return features


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


def _compiled(layer: QuantisedBackbone, shape: tuple[int, int, int]) -> Any:  # noqa: ANN401 - openvino.AsyncInferQueue
    try:
        import openvino  # deferred: it takes time and memory, and most checkpoints need none of it
    except ImportError as error:
        raise CheckpointError(MISSING) from error
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
    try:
        core = openvino.Core()
        weights = openvino.Tensor(np.frombuffer(layer.constants, np.uint8))
        network = core.read_model(layer.xml, weights)
        _refuse_shapes(network, shape, layer.shape)
        return openvino.AsyncInferQueue(core.compile_model(network, "CPU", options), streams)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"its quantised network cannot be run: {reason}") from error


def _refuse_shapes(network: Any, shape: tuple[int, ...], features: tuple[int, ...]) -> None:  # noqa: ANN401 - openvino.Model
    """Refuse a network of other shapes than its layer says, or of enormous ones."""
    ends = [tuple(network.input(0).shape), tuple(network.output(0).shape)]
    if ends != [(1, *shape), (1, *features)]:
        raise unsafe(f"maps {ends[0]} to {ends[1]}, not {(1, *shape)} to {(1, *features)}")
    for operation in network.get_ops():
        for output in operation.outputs():
            if prod(output.shape) > _MOST_NUMBERS:
                raise unsafe(f"holds {prod(output.shape):,} numbers between two layers")
