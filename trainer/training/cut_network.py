"""Cuts a network of keras.applications behind inner layers: less to compute, other features."""

from collections.abc import Sequence
from typing import Any

from base.runtime import keras
from model.errors import LayerError

_JOINS = (keras.layers.Concatenate, keras.layers.Add)
_ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU)


def cut_network(network: Any, layers: Sequence[str]) -> Any:  # noqa: ANN401 - keras.Model
    """The means over the pixels of these layers, `[n, channels]`, one layer after another.

    Raises:
        LayerError: there is no such layer, or it does not give maps `[n, height, width, channels]`.
    """
    maps = {layer.name: layer.output for layer in network.layers if _gives_a_map(layer)}
    for name in layers:
        if name not in maps:
            raise LayerError(name, _worth_naming(network, list(maps)))
    means = [keras.layers.GlobalAveragePooling2D()(maps[name]) for name in layers]
    features = keras.layers.Concatenate()(means) if len(means) > 1 else means[0]
    return keras.Model(network.inputs, features, name=network.name)


def _gives_a_map(layer: Any) -> bool:  # noqa: ANN401 - keras.Layer
    output = layer.output
    return not isinstance(output, list | tuple | dict) and len(output.shape) == 4


def _worth_naming(network: Any, maps: list[str]) -> list[str]:  # noqa: ANN401 - keras.Model
    """Where branches join, or else the activations, or else all."""
    for kinds in (_JOINS, _ACTIVATIONS):
        found = [layer.name for layer in network.layers if isinstance(layer, kinds)]
        if found:
            return found
    return maps
