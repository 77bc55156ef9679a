"""How a backbone is identified, and where it ends inside a checkpoint's network."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from base.runtime import keras
from model.card import Backbone
from model.errors import CheckpointError
from model.hub.hub_module import HubModule
from model.quantised.quantised_backbone import QuantisedBackbone


class Parts(NamedTuple):
    """The layers of a network below and above its features.

    `digest` identifies the backbone if its layers are those that the model card names; otherwise
    its features belong to this network only. A network without a recognisable backbone has no
    `head`.
    """

    backbone: list[Any]
    head: list[Any]
    digest: str | None


def split(network: Any, card: Backbone | None) -> Parts:  # noqa: ANN401 - keras.Model
    """Split a checkpoint's network where its backbone ends."""
    layers = list(network.layers)
    kinds = HubModule | QuantisedBackbone | keras.Model
    ends = [index for index, layer in enumerate(layers, 1) if isinstance(layer, kinds)]
    if not isinstance(network, keras.Sequential) or len(ends) != 1 or ends[0] == len(layers):
        return Parts([network], [], None)
    backbone, head = layers[: ends[0]], layers[ends[0] :]
    verified = card is not None and _is_as_named(backbone, card)
    return Parts(backbone, head, card.digest if card is not None and verified else None)


def weights_digest(network: Any, what: str) -> str:  # noqa: ANN401 - keras.Model
    """SHA-256 over a Keras network's name, its architecture, and its weights in order.

    The same weights with another pooling, for example, are another backbone.
    """
    digest = hashlib.sha256(f"{what}\0{_architecture(network)}\0".encode())
    for weights in network.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()


def _architecture(network: Any) -> str:  # noqa: ANN401 - keras.Model
    """The layers' settings and connections, independent of the names that Keras numbered."""
    names = {layer.name: f"#{index}" for index, layer in enumerate(network.layers)}
    return json.dumps(_nameless(network.get_config(), {network.name: "#", **names}), default=str)


def _nameless(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - what Keras configures
    match value:
        case dict():
            # Whether layers were trainable makes no difference to what the network computes.
            return {
                key: _nameless(value[key], names) for key in sorted(value) if key != "trainable"
            }
        case list() | tuple():
            return [_nameless(item, names) for item in value]
        case str():
            return names.get(value, value)
    return value


def rescaling(name: str) -> Any:  # noqa: ANN401 - keras.Layer
    """The layer that scales [0, 1] to the inputs a network of keras.applications was trained on.

    Raises:
        CheckpointError: the network's preprocessing is not known.
    """
    if name.startswith(("Inception", "Xception", "MobileNet", "NASNet")) and name not in (
        "MobileNetV3Small",
        "MobileNetV3Large",
    ):
        return keras.layers.Rescaling(2.0, offset=-1.0)
    if name.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3")):  # these rescale by themselves
        return keras.layers.Rescaling(255.0)
    raise CheckpointError(
        f"--backbone keras:{name}: its preprocessing is not one that dermscore knows; use "
        "InceptionV3, InceptionResNetV2, Xception, MobileNet*, NASNet*, EfficientNet* or ConvNeXt*"
    )


def _is_as_named(layers: list[Any], card: Backbone) -> bool:
    """Whether the layers are those of the card, by their bytes, not by the card's word."""
    *before, last = layers
    if isinstance(last, HubModule | QuantisedBackbone):
        return not before and last.digest == card.digest
    name = card.option.removeprefix("keras:").partition("=")[0]
    try:
        expected = rescaling(name)
    except CheckpointError:
        return False
    return [_scale(layer) for layer in before] == [_scale(expected)] and weights_digest(
        last, name
    ) == card.digest


def _scale(layer: Any) -> tuple[Any, Any]:  # noqa: ANN401 - keras.Layer
    return getattr(layer, "scale", None), getattr(layer, "offset", None)
