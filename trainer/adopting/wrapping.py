"""The owner's model as a network that a worker scores with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from base.runtime import keras, tf
from model.errors import CheckpointError
from model.hub.graph_operations import ALLOWED
from model.hub.hub_module import HubModule
from trainer.adopting.owner_model import OwnerModel, only_output
from trainer.adopting.ranges import RANGES

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "none": lambda rows: rows,
    "sigmoid": tf.sigmoid,
    "softmax": tf.nn.softmax,
}


class Wrapped(NamedTuple):
    """How a model is wrapped.

    `both` makes two probabilities of a single one; `kernel` is what each adds to the score.
    """

    size: tuple[int, int]
    input_range: str
    activation: str
    both: bool
    kernel: tuple[float, ...]


def traced(source: Path, owner: OwnerModel, size: tuple[int, int]) -> tuple[Any, int]:
    """The owner's network alone as a traced function, and the number of its outputs.

    Raises:
        CheckpointError: it cannot be traced, gives no row of numbers for each image, or computes
            with operations that are not allowed.
    """

    def call(images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        return only_output(source, owner.call(images))

    signature = tf.TensorSpec([None, *size, 3], tf.float32)
    try:
        function = tf.function(call, input_signature=[signature]).get_concrete_function()
    except CheckpointError:
        raise
    except Exception as error:  # the owner's code may raise anything
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{source} takes no images of {size[0]} x {size[1]}: {reason}"
        ) from error
    _refuse_operations(source, function)
    return function, _outputs(source, function.outputs[0])


def _refuse_operations(source: Path, function: Any) -> None:  # noqa: ANN401 - tf.function
    definition = function.graph.as_graph_def()
    library = {one.signature.name: one for one in definition.library.function}
    nodes = [*definition.node, *(node for one in library.values() for node in one.node_def)]
    for node in nodes:
        if node.op not in ALLOWED and node.op not in library:
            raise CheckpointError(
                f"{source} holds the operation {node.op[:80]}, which is not among those that a "
                "network needs to compute; it is not adopted"
            )


def _outputs(source: Path, rows: Any) -> int:  # noqa: ANN401 - a tensor
    """The number of numbers for each image."""
    shape = [] if rows.shape.rank is None else rows.shape.as_list()[1:]
    if rows.shape.rank is None or None in shape or any(side != 1 for side in shape[:-1]):
        raise CheckpointError(
            f"{source} gives {rows.shape}, but a classifier gives one row of numbers for an image"
        )
    if not rows.dtype.is_floating:
        raise CheckpointError(f"{source} gives {rows.dtype.name}, which are no probabilities")
    return int(shape[-1]) if shape else 1


def as_rows(given: Any, outputs: int) -> Any:  # noqa: ANN401 - tensors have no static type
    """The owner's output as float32 `[n, outputs]`."""
    return tf.reshape(tf.cast(given, tf.float32), [-1, outputs])


def wrap(source: Path, owner: OwnerModel, outputs: int, how: Wrapped, folder: Path) -> Any:  # noqa: ANN401 - keras.Model
    """The network that maps images in [0, 1] to the score; its module is written into `folder`.

    Raises:
        CheckpointError: what came out holds something that no worker would load.
    """

    def compute(images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        given = only_output(source, owner.call(RANGES[how.input_range].of(images)))
        rows = ACTIVATIONS[how.activation](as_rows(given, outputs))
        return tf.concat([1 - rows, rows], axis=1) if how.both else rows

    _save(compute, (*how.size, 3), folder)
    features = len(how.kernel)
    try:
        module = HubModule(features, folder, name="owner")
    except CheckpointError as error:
        message = error.message.replace("its TensorFlow Hub module", "what came out")
        raise CheckpointError(f"{source}: {message}") from error
    score = keras.layers.Dense(1, use_bias=False, trainable=False, name="score")
    network = keras.Sequential([keras.Input((*how.size, 3)), module, score], name="dermscore")
    score.set_weights([np.array(how.kernel, np.float32)[:, None]])
    return network


def _save(compute: Callable[[Any], Any], shape: tuple[int, ...], folder: Path) -> None:
    exported = tf.Module()
    exported.__call__ = tf.function(
        compute, input_signature=[tf.TensorSpec([None, *shape], tf.float32)]
    )
    function = exported.__call__.get_concrete_function()
    # In the order of the graph: it keeps them in a set, and the same model gives the same bytes.
    order = {id(handle): at for at, handle in enumerate(function.captured_inputs)}
    exported.captured = sorted(
        function.graph.variables, key=lambda variable: order.get(id(variable.handle), len(order))
    )
    tf.saved_model.save(exported, str(folder))
    # Random, so that the same model would get another digest each time.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
