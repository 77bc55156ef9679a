"""Which layers of a checkpoint's network become int8, and which stay as they are."""

from pathlib import Path
from typing import Any, NamedTuple

from base.runtime import keras
from model.backbones import split
from model.card import ModelCard
from model.errors import CheckpointError
from model.quantised.quantised_backbone import QuantisedBackbone


class Halves(NamedTuple):
    """The layers below the features, which become int8, and those above, which stay float32."""

    backbone: list[Any]
    head: list[Any]


def halves(network: Any, card: ModelCard, path: Path) -> Halves:  # noqa: ANN401 - keras.Model
    """Split where the backbone ends, or else before the last Dense layer.

    Raises:
        CheckpointError: it is quantised already, or has no end that can stay in float32.
    """
    if any(isinstance(layer, QuantisedBackbone) for layer in network.layers):
        raise CheckpointError(f"{path} is quantised already: quantise the float32 checkpoint")
    parts = split(network, card.backbone)
    if parts.head:
        return Halves(parts.backbone, parts.head)
    head = _last_layers(network)
    if head is None:
        raise CheckpointError(
            f"{path} has neither a backbone nor a Dense layer at its end, which would stay in "
            "float32: it cannot be quantised"
        )
    if isinstance(network, keras.Sequential):
        return Halves(list(network.layers[: -len(head)]), head)
    return Halves([keras.Model(network.inputs, head[0].input)], head)


def _last_layers(network: Any) -> list[Any] | None:  # noqa: ANN401 - keras.Model
    """The last Dense layer, and the activation behind it if that is a layer; None without one."""
    layers = network.layers
    first = len(layers) - 1
    if isinstance(layers[first], keras.layers.Activation | keras.layers.Softmax):
        first -= 1
    head: list[Any] = layers[first:]
    if first < 1 or not isinstance(head[0], keras.layers.Dense):
        return None
    if isinstance(network, keras.Sequential):
        return head
    ends = [*(layer.input for layer in head[1:]), network.outputs[0]]
    follow = all(layer.output is end for layer, end in zip(head, ends, strict=True))
    return head if follow else None
