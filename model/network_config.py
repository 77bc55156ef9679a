"""The inputs and outputs of a network by its config: the rules of what can score images.

The producer checks before it enqueues, the worker before it loads, both with this module. It reads
only Keras's own JSON, within milliseconds; what the JSON does not show, the worker sees after
loading.
"""

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

from model.keras_names import HUB_MODULE, QUANTISED_BACKBONE, is_activation, refuse_name

Config = dict[str, Any]
# Without the batch dimension; None for an unknown side.
Shape = tuple[int | None, ...]

# Keras's markers of plain values in a config, which are not classes.
_VALUES = frozenset(
    f"__{kind}__" for kind in ("keras_tensor", "tensor", "numpy", "bytes", "ellipsis", "slice")
)
# Layers that do not change a value, as far as scoring is concerned.
_KEEPING = frozenset(("Dropout", "Flatten", "Identity", "Reshape", "ActivityRegularization"))
# Of the features of a quantised backbone.
_MOST_SIDES, _LONGEST_SIDE = 3, 1 << 20
# Layers and operations that are themselves an activation.
_ACTIVATIONS = {"Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid", "Softmax": "softmax"}


class Network(NamedTuple):
    """The inputs and outputs of a network.

    `inputs` are the shapes with their batch dimension, `dtype` is that of the first, `outputs` is
    their number. `shape` is that of the output, None if its last layers do not show it;
    `activation` is the last operation on it, None if that is not an activation.
    """

    inputs: list[tuple[int | None, ...] | None]
    dtype: str
    outputs: int
    shape: Shape | None
    activation: str | None


class _Step(NamedTuple):
    """A layer on the way back from the output; `given` is its input shape, if known."""

    layer: Config
    given: Shape | None


def refuse_classes(config: Config) -> None:
    """Refuse a config that names anything that Keras does not have, or code.

    Raises:
        ValueError: it does; the message names it.
    """
    # A custom loss or metric does no harm: the network is loaded without it.
    waiting: list[Any] = [{key: config[key] for key in config if key != "compile_config"}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            _refuse_entry(value)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _refuse_entry(config: Config) -> None:
    if isinstance(config.get("vocabulary"), str):
        raise ValueError("it holds a layer whose vocabulary is a file elsewhere")  # noqa: TRY004 - one kind for all
    for key in ("activation", "recurrent_activation"):
        _refuse_activation(config.get(key))
    if "class_name" in config and "config" in config:
        _refuse_class(config)


def _refuse_activation(activation: object) -> None:
    if isinstance(activation, str) and not is_activation(activation):
        raise ValueError(f"it holds the activation {activation[:100]!r}, which Keras does not have")
    if isinstance(activation, dict) and "class_name" not in activation:
        raise ValueError("it holds an activation that is a lambda, a program and not Keras's own")


def _refuse_class(config: Config) -> None:
    name, module = config["class_name"], config.get("module")
    registered = config.get("registered_name")
    if name in _VALUES:
        return
    if registered == HUB_MODULE:
        refuse_module_elsewhere(config["config"])
        return
    if registered == QUANTISED_BACKBONE:
        refuse_settings_of_quantised(config["config"])
        return
    if name == "function":
        refuse_name(module, str(config["config"]))
    elif registered in (None, "", name):
        refuse_name(module, str(name))
    else:
        refuse_name(None, str(registered))


def refuse_module_elsewhere(config: Config) -> None:
    """Refuse a layer of a TensorFlow Hub module that names a folder or an address.

    Raises:
        ValueError: it does; that module would not have been checked.
    """
    if not config.keys().isdisjoint(("folder", "module")):
        raise ValueError("its TensorFlow Hub module lies outside the checkpoint")


def refuse_settings_of_quantised(config: Config) -> None:
    """Refuse a quantised backbone that is told more than the shape of its features.

    Raises:
        ValueError: it is; the network is the layer's two files, which are checked.
    """
    if not config.keys() <= {"name", "trainable", "dtype", "shape"}:
        raise ValueError("its quantised backbone names more than the shape of its features")
    shape = config.get("shape")
    if not isinstance(shape, list) or not shape or len(shape) > _MOST_SIDES:
        raise ValueError("its quantised backbone has no shape of features")
    if not all(type(side) is int and 0 < side <= _LONGEST_SIDE for side in shape):
        raise ValueError("its quantised backbone has no shape of features")


def network_of(config: Config) -> Network:
    """The inputs and outputs of the network with this config.

    Raises:
        ValueError: it is neither Sequential nor functional, or was never built.
    """
    inner = config["config"]
    if "layers" not in inner:
        raise ValueError(f"it is a {config['class_name']}, not a network of layers")
    entries = _entries(inner)
    if not entries:
        raise ValueError("its network was never built: no layer says what it takes")
    (last, *_), outputs = _ends(inner)
    activation, shape = _end_of(last)
    dtype = str(entries[0].get("dtype", "float32"))
    return Network([_batch_shape(entry) for entry in entries], dtype, outputs, shape, activation)


def _entries(inner: Config) -> list[Config]:
    """The settings of each input."""
    if "input_layers" in inner:
        by_name = _by_name(inner)
        return [by_name[name]["config"] for name, _ in _references(inner["input_layers"])]
    first = inner["layers"][0] if inner["layers"] else {}
    if first.get("class_name") == "InputLayer":
        return [first["config"]]
    built = inner.get("build_input_shape")
    return [{"batch_shape": built}] if built else []


def _batch_shape(entry: Config) -> tuple[int | None, ...] | None:
    shape = entry.get("batch_shape") or entry.get("batch_input_shape")
    return tuple(shape) if isinstance(shape, list) else None


def _ends(inner: Config) -> tuple[list[Iterator[_Step]], int]:
    """The way back from each output, and the number of outputs."""
    if "output_layers" not in inner:
        return [_back_through_list(inner["layers"])], 1
    by_name = _by_name(inner)
    ends = _references(inner["output_layers"])
    return [_back_through_graph(by_name, *end) for end in ends], len(ends)


def _back_through_list(layers: list[Config]) -> Iterator[_Step]:
    for layer in reversed(layers):
        yield from _into(layer, _built_for(layer))


def _back_through_graph(by_name: dict[str, Config], name: str, node: int) -> Iterator[_Step]:
    """Go back along layers with one input each; stop at a layer with several inputs."""
    visited = set[tuple[str, int]]()
    while (name, node) not in visited:
        visited.add((name, node))
        layer = by_name[name]
        nodes = layer.get("inbound_nodes") or []
        before = list(_tensors(nodes[node])) if nodes else []
        given = _without_batch(before[0]["shape"]) if len(before) == 1 else _built_for(layer)
        yield from _into(layer, given)
        if len(before) != 1:
            return
        name, node = before[0]["keras_history"][:2]


def _into(layer: Config, given: Shape | None) -> Iterator[_Step]:
    """The layer; if it is a network itself, the way back through it."""
    ends, outputs = _ends(layer["config"]) if "layers" in layer["config"] else ([], 0)
    if outputs == 1:
        yield from ends[0]
    elif layer["class_name"] != "InputLayer":
        yield _Step(layer, given)


def _end_of(steps: Iterator[_Step]) -> tuple[str | None, Shape | None]:
    """The last activation and the output's shape, as far as they are known."""
    chain = list(steps)
    shapes: list[Shape | None] = [None]
    for step in reversed(chain):
        shapes.append(_shape_after(step, shapes[-1]))
    for step, shape in zip(chain, reversed(shapes), strict=False):
        activation = _activation(step.layer)
        if step.layer["class_name"] in _KEEPING or activation == "":
            continue
        if activation == "softmax" and shape and shape[-1] == 1:
            activation = "softmax over one unit"
        return activation, shapes[-1]
    return None, shapes[-1]


def _activation(layer: Config) -> str | None:
    """The name of a layer's last operation; empty if that changes nothing."""
    name, inner = layer["class_name"], layer["config"]
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name]
    activation = inner.get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config")
    if name == "Activation" and activation == "linear":
        return ""
    return activation if isinstance(activation, str) else None


def _shape_after(step: _Step, before: Shape | None) -> Shape | None:
    """A layer's output shape; `before` is the output shape of the layer before it."""
    name, inner = step.layer["class_name"], step.layer["config"]
    if name == "Reshape":
        target = tuple(inner["target_shape"])
        return None if -1 in target else target
    if name == "HubModule":
        return (inner["features"],)
    if name == "QuantisedBackbone":
        return tuple(inner["shape"])
    given = before if step.given is None else step.given
    return None if given is None else _shape_from(name, inner, given)


def _shape_from(name: str, inner: Config, given: Shape) -> Shape | None:
    """The output shape of a layer for this input shape."""
    if name == "Flatten":
        return (None if None in given else prod(side or 1 for side in given),)
    if name == "Dense":
        return (*given[:-1], inner["units"])
    if "filters" in inner:
        return (*(None for _ in given[:-1]), inner["filters"])
    keeps = name in _KEEPING or name in _ACTIVATIONS or name == "Activation"
    return given if keeps else None


def _built_for(layer: Config) -> Shape | None:
    built = layer.get("build_config") or {}
    return _without_batch(built.get("input_shape"))


def _without_batch(shape: Any) -> Shape | None:  # noqa: ANN401 - JSON
    if isinstance(shape, list) and all(side is None or isinstance(side, int) for side in shape):
        return tuple(shape[1:])
    return None


def _by_name(inner: Config) -> dict[str, Config]:
    return {layer["name"]: layer for layer in inner["layers"]}


def _references(places: Any) -> list[tuple[str, int]]:  # noqa: ANN401 - JSON
    """Layer and node of each `[layer, node, tensor]` in a list or a dictionary of them."""
    if isinstance(places, dict):
        places = list(places.values())
    if places and isinstance(places[0], str):
        return [(places[0], places[1])]
    return [reference for place in places for reference in _references(place)]


def _tensors(value: Any) -> Iterator[Config]:  # noqa: ANN401 - JSON
    """The input tensors of a node."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _tensors(item)
