"""Names the inner layers of a TensorFlow Hub module, whose graph has only names of operations.

The eleven blocks of an InceptionV3 have the names that they have in Keras, `mixed0` to `mixed10`,
however the module's maker named them; they are recognised by the numbers of their channels. In any
module a layer can be named by its operation, or by the end of that name from a `/` on.
"""

import re
from collections.abc import Sequence
from typing import Any

from base.runtime import tf
from model.errors import LayerError

# The calls in which a graph lies, which its maker did not name.
_CALLS = re.compile(r"^((Stateful)?PartitionedCall\w*/|call/)+")
_INCEPTION_V3 = [256, 288, 288, *[768] * 5, 1280, 2048, 2048]


class MapNames:
    """The operations of a flat graph that give maps of features, `[n, height, width, channels]`."""

    def __init__(self, graph: Any) -> None:  # noqa: ANN401 - protobuf
        with tf.Graph().as_default() as imported:
            tf.graph_util.import_graph_def(graph, name="")
        self._maps: dict[str, Any] = {
            operation.name: operation
            for operation in imported.get_operations()
            if len(operation.outputs) == 1 and _is_map(operation.outputs[0])
        }
        self._blocks = self._find_blocks()

    def operations(self, layers: Sequence[str]) -> list[str]:
        """The operation of each layer.

        Raises:
            LayerError: there is no such layer, or the name fits several.
        """
        return [self._operation(layer) for layer in layers]

    def _operation(self, layer: str) -> str:
        if layer in self._blocks:
            return self._blocks[layer]
        found = [name for name in self._maps if f"/{name}".endswith(f"/{layer}")]
        if len(found) != 1:
            known = found or self._known
            raise LayerError(layer, [_CALLS.sub("", name) for name in known])
        return found[0]

    @property
    def _known(self) -> list[str]:
        """The layers to propose: named blocks, else where branches join, else activations."""
        joins = [*self._of("ConcatV2"), *self._of("AddV2", maps=2)]
        return [*self._blocks] or joins or self._of("Relu", "Relu6", "Mul")

    def _find_blocks(self) -> dict[str, str]:
        """Keras's names of the blocks of an InceptionV3; empty for another network."""
        joined = [
            name
            for name in self._of("ConcatV2")
            # Inside a block branches join, too.
            if {one.type for one in self._maps[name].outputs[0].consumers()} != {"ConcatV2"}
        ]
        if [self._maps[name].outputs[0].shape[-1] for name in joined] != _INCEPTION_V3:
            return {}
        return {f"mixed{index}": name for index, name in enumerate(joined)}

    def _of(self, *kinds: str, maps: int = 1) -> list[str]:
        """The operations of these kinds that take at least so many maps."""
        return [
            name
            for name, operation in self._maps.items()
            if operation.type in kinds and sum(map(_is_map, operation.inputs)) >= maps
        ]


def _is_map(tensor: Any) -> bool:  # noqa: ANN401 - tf.Tensor
    """Whether it has a row for each image, unlike a kernel, and known channels."""
    shape = tensor.shape
    if tensor.dtype != tf.float32 or shape.rank != 4:
        return False
    return shape[0] is None and shape[-1] is not None
