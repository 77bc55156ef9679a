"""Cuts a TensorFlow Hub module behind inner layers: less to compute, and other features.

What comes out is a module like any other, which holds no operation and no variable that the asked
layers do not need. The same cut of the same module always has the same bytes, and so one digest.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from base.runtime import convert_variables_to_constants_v2_as_graph, tf
from model.hub.hub_module import module_digest, module_files
from model.hub.map_names import MapNames
from model.hub.reproducible_module import make_module_reproducible
from model.hub.served_module import ServedModule

# Shapes, axes and other few numbers stay in the graph, where TensorFlow's rewriter looks for them.
_FEWEST_WEIGHTS = 16


class CutModule(ServedModule):
    """The means over the pixels of inner layers, `[n, channels]`, one layer after another.

    It has a `digest`, that of the files that it saves.
    """

    def __init__(self, whole: ServedModule, size: tuple[int, int], layers: Sequence[str]) -> None:
        """Cut `whole`, called with images of `size` (height, width), behind `layers`.

        Raises:
            CheckpointError: it has no such layer, or contains what no network needs.
        """
        with tempfile.TemporaryDirectory(prefix="dermscore-cut-") as name:
            folder = Path(name)
            _write(whole, size, layers, folder)
            self.digest = module_digest(folder)
            super().__init__(folder, self.digest)
            # TensorFlow would save it again with other bytes.
            self._files = [
                (str(path.relative_to(folder)), path.read_bytes()) for path in module_files(folder)
            ]

    def save(self, folder: str) -> None:
        """Write the files of the cut module."""
        for name, data in self._files:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _write(whole: ServedModule, size: tuple[int, int], layers: Sequence[str], folder: Path) -> None:
    images = tf.TensorSpec([None, *size, 3], tf.float32)
    traced = tf.function(whole.__call__).get_concrete_function(images)
    frozen, graph = convert_variables_to_constants_v2_as_graph(traced, lower_control_flow=False)
    operations = MapNames(graph).operations(layers)
    weights = _keep_needed(graph, operations, frozen.inputs[0].op.name)
    exported = tf.Module()
    exported.weights = [tf.Variable(value, trainable=False) for value in weights.values()]

    def compute(pixels: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        values = [weight.read_value() for weight in exported.weights]
        maps = tf.graph_util.import_graph_def(
            graph,
            input_map={frozen.inputs[0].name: pixels, **dict(zip(weights, values, strict=True))},
            return_elements=[f"{operation}:0" for operation in operations],
            name="",
        )
        return tf.concat([tf.reduce_mean(one, [1, 2]) for one in maps], -1)

    exported.__call__ = tf.function(compute, input_signature=[images], autograph=False)
    tf.saved_model.save(exported, str(folder), signatures={})
    make_module_reproducible(folder)


def _keep_needed(graph: Any, operations: Sequence[str], feed: str) -> dict[str, Any]:  # noqa: ANN401 - protobuf; arrays
    """Remove from the graph all that `operations` do not need, the feed, and the weights.

    Returns the weights by the names of their tensors.
    """
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        # These only order what changes something, and would keep every weight.
        node.input[:] = [name for name in node.input if not name.startswith("^")]
    waiting, needed = [*operations], set[str]()
    while waiting:
        name = waiting.pop().partition(":")[0]
        if name not in needed:
            needed.add(name)
            waiting += nodes[name].input
    kept = [node for node in graph.node if node.name in needed and node.name != feed]
    weights = {f"{node.name}:0": _array(node) for node in kept if _is_weight(node)}
    rest = [node for node in kept if not _is_weight(node)]
    graph.CopyFrom(tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library, node=rest))
    return weights


def _is_weight(node: Any) -> bool:  # noqa: ANN401 - protobuf
    if node.op != "Const":  # reading an attribute that is not there would add it
        return False
    tensor = node.attr["value"].tensor
    elements = tf.TensorShape(tensor.tensor_shape).num_elements()
    return bool(elements >= _FEWEST_WEIGHTS and tf.dtypes.as_dtype(tensor.dtype) == tf.float32)


def _array(node: Any) -> Any:  # noqa: ANN401 - protobuf; an array
    return tf.make_ndarray(node.attr["value"].tensor)
