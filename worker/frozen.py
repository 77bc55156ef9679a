"""Layers of a network as one graph of constants."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.runtime import convert_variables_to_constants_v2, tf
from worker.precision import in_precision

Floats = npt.NDArray[np.float32]


class FrozenGraph:
    """Layers one after another, frozen, in which TensorFlow folds batch normalisation.

    The layers themselves are not kept.
    """

    def __init__(
        self, layers: Sequence[Any], shape: tuple[int | None, ...], precision: str = "float32"
    ) -> None:
        """Freeze `layers`, which take `[n, *shape]`.

        Raises:
            CheckpointError: this machine cannot compute in `precision`.
        """

        def call(rows: Any) -> Any:  # noqa: ANN401 - tensors have no static type
            for layer in layers:
                rows = layer(rows, training=False)
            return rows

        signature = tf.TensorSpec([None, *shape], tf.float32)
        concrete = tf.function(call).get_concrete_function(signature)
        self._graph = in_precision(convert_variables_to_constants_v2(concrete), precision)
        self.shape = tuple(self._graph.outputs[0].shape[1:])

    def __call__(self, rows: Floats) -> Floats:
        """Outputs `[n, *self.shape]` of inputs `[n, *shape]`, in the same order."""
        if not len(rows):
            return np.empty((0, *self.shape), np.float32)
        # Alone, a row takes another path through oneDNN and its output differs by 1e-7; in any
        # company it is the same to the bit.
        batch = np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows
        (output,) = self._graph(tf.constant(batch))
        computed: Floats = output.numpy()
        return computed[: len(rows)]
