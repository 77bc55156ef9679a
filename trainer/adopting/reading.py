"""What a network's own graph shows of its input's range and of its last activation."""

from typing import Any, NamedTuple

import numpy as np

from base.runtime import convert_variables_to_constants_v2_as_graph, tf

# Operations that change no value, as far as the ends of a network are concerned.
_KEEPING = {"Identity", "IdentityN", "Cast", "EnsureShape", "Reshape", "Squeeze", "StopGradient"}
_SHAPES = {"Shape", "ShapeN", "Rank", "Size"}
_LINEAR = {"BiasAdd", "MatMul", "Add", "AddV2", "Conv2D", "Sub"}
# A factor below this brings bytes to numbers of about one; one above the other leaves them.
_OF_BYTES, _OF_UNITS = 1 / 50, 1.5


class Read(NamedTuple):
    """What was read: the factor that a network begins with, and what it ends with.

    `ending` is "sigmoid", "softmax", "linear" or, where it is neither, None.
    """

    factor: float | None
    ending: str | None

    @property
    def contradicted(self) -> tuple[str, ...]:
        """The ranges that a network which begins so cannot have been trained on."""
        if self.factor is None:
            return ()
        if self.factor < _OF_BYTES:
            return ("unit", "signed", "imagenet", "caffe")
        return ("byte", "caffe") if self.factor > _OF_UNITS else ()


def read_graph(function: Any) -> Read:  # noqa: ANN401 - tf.function
    """Read a traced network, whose variables are constants for this purpose."""
    frozen, definition = convert_variables_to_constants_v2_as_graph(
        function, lower_control_flow=False
    )
    nodes = {node.name: node for node in definition.node}
    return Read(
        _factor(nodes, _name(frozen.inputs[0].name)), _ending(nodes, _name(frozen.outputs[0].name))
    )


def _factor(nodes: dict[str, Any], name: str) -> float | None:
    """The factor of the first multiplication, if nothing but a shift comes before it."""
    while True:
        users = [
            node for node in nodes.values() if name in _data_inputs(node) and node.op not in _SHAPES
        ]
        if len(users) != 1:
            return None
        (user,) = users
        if user.op in ("Mul", "RealDiv", "AddV2", "Add", "Sub"):
            others = [_constant(nodes, given) for given in _data_inputs(user) if given != name]
            if len(others) != 1 or others[0] is None or others[0].size > 3:
                return None
            if user.op in ("Mul", "RealDiv"):
                factor = float(np.abs(others[0]).mean())
                return factor if user.op == "Mul" else 1 / max(factor, 1e-9)
        elif user.op not in _KEEPING:
            return None
        name = user.name


def _constant(nodes: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - an array, or None
    node = nodes[_name(name)]
    while node.op in ("Identity", "Cast", "Reshape", "ReadVariableOp"):
        node = nodes[_name(node.input[0])]
    if node.op != "Const":
        return None
    return np.asarray(tf.make_ndarray(node.attr["value"].tensor), np.float64)


def _ending(nodes: dict[str, Any], name: str) -> str | None:
    node = nodes[name]
    while node.op in _KEEPING:
        node = nodes[_name(node.input[0])]
    if node.op in ("Sigmoid", "Softmax"):
        return str(node.op).lower()
    return "linear" if node.op in _LINEAR else None


def _data_inputs(node: Any) -> list[str]:  # noqa: ANN401 - protobuf
    """The nodes whose values it takes, not those that it only waits for."""
    return [_name(given) for given in node.input if not given.startswith("^")]


def _name(tensor: str) -> str:
    return tensor.partition(":")[0]
