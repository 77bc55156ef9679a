"""The network below the head, named by an option: `hub:HANDLE`, `keras:NAME` or `small`."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from base.runtime import hub, keras, tf
from model.backbones import rescaling, weights_digest
from model.card import Backbone, Decode
from model.errors import CheckpointError, LayerError
from model.hub.hub_module import HubModule, feature_count, module_digest
from model.hub.module_cut import CutModule
from model.hub.served_module import ServedModule
from trainer.training.cut_network import cut_network


@dataclass(frozen=True)
class FrozenBackbone:
    """A network that maps images `[n, height, width, 3]` in [0, 1] to features; never trained.

    `head_layers` makes the layers that are trained between the features and the sigmoid unit.
    """

    network: Any
    card: Backbone
    head_layers: Callable[[], list[Any]] = field(default=list)

    @cached_property
    def forward(self) -> Any:  # noqa: ANN401 - tf.function
        """The network as one graph for batches of any size, traced once."""
        signature = tf.TensorSpec(self.network.input_shape, tf.float32)
        return tf.function(
            lambda images: self.network(images, training=False), input_signature=[signature]
        )


def build_backbone(option: str, decode: Decode, layers: Sequence[str] = ()) -> FrozenBackbone:
    """The backbone that `option` names, downloaded first if it is an address.

    With `layers` it ends there: its features are the means over the pixels of each, together.

    Raises:
        LayerError: it has no such layer.
        CheckpointError: the module or network does not exist or cannot be downloaded.
    """
    kind, _, name = option.partition(":")
    if kind == "hub" and name:
        return _hub(option, name, decode, layers)
    if kind == "keras" and name:
        return _keras(option, name, decode, layers)
    if option == "small" and layers:
        raise LayerError(layers[0], [])
    if option == "small":
        return _small(option, decode)
    raise CheckpointError(
        f"--backbone {option}: use hub:HANDLE (an address or a folder), keras:NAME or small"
    )


def _hub(option: str, handle: str, decode: Decode, layers: Sequence[str]) -> FrozenBackbone:
    try:
        folder = Path(hub.resolve(handle))
        _refuse_links(folder)
        digest = module_digest(folder)
        module = ServedModule(folder, digest)
        if layers:
            module = CutModule(module, (decode.height, decode.width), layers)
            digest = module.digest
        features = feature_count(module, decode.height, decode.width)
        layer = HubModule(features, None if layers else folder, module, name="backbone")
    except LayerError:
        raise
    except Exception as error:  # resolving and loading fail in many ways
        reason = str(error).strip().split("\n")[0]
        away = "; if its server is out of reach, --backbone hub:FOLDER takes a copy on this disk"
        raise CheckpointError(
            f"--backbone {option} cannot be loaded: {reason}{away if '://' in handle else ''}"
        ) from error
    card = Backbone(
        option=option,
        digest=digest,
        description=f"TensorFlow Hub module, frozen, {features} features{_at(layers)}",
        features_at=tuple(layers),
    )
    return FrozenBackbone(_network(decode, [layer]), card)


def _at(layers: Sequence[str]) -> str:
    return f" at {', '.join(layers)}" if layers else ""


def _refuse_links(folder: Path) -> None:
    """Refuse links, because a checkpoint would include the files that they point to."""
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise CheckpointError(f"it holds a link, {path.relative_to(folder)}: copy it (cp -rL)")


def _keras(option: str, name: str, decode: Decode, layers: Sequence[str]) -> FrozenBackbone:
    name, _, file = name.partition("=")
    make = getattr(keras.applications, name, None)
    if not callable(make):
        raise CheckpointError(f"--backbone {option}: keras.applications has no {name}")
    shape = (decode.height, decode.width, 3)
    try:
        network = make(
            include_top=False, weights=file or "imagenet", pooling="avg", input_shape=shape
        )
    except Exception as error:  # most often the download fails
        reason = str(error).strip().split("\n")[0]
        away = f"; if its server is out of reach, keras:{name}=FILE takes its weights from a file"
        raise CheckpointError(
            f"--backbone {option} cannot be loaded: {reason}{'' if file else away}"
        ) from error
    if layers:
        network = cut_network(network, layers)
    network.trainable = False
    card = Backbone(
        option=option,
        digest=weights_digest(network, name),
        description=f"keras.applications.{name}, weights {file or 'ImageNet'}, frozen{_at(layers)}",
        features_at=tuple(layers),
    )
    # Images are in [0, 1]; the rescaling for the network is part of the checkpoint.
    return FrozenBackbone(_network(decode, [rescaling(name), network]), card)


def _small(option: str, decode: Decode) -> FrozenBackbone:
    card = Backbone(
        option=option,
        digest=hashlib.sha256(b"average pooling by 4").hexdigest(),
        description="a small convolutional network trained from scratch, for demos and quick tests",
    )
    network = _network(decode, [keras.layers.AveragePooling2D(4, name="shrink")])
    return FrozenBackbone(network, card, _small_head)


def _small_head() -> list[Any]:
    layers = keras.layers
    stages = [
        stage
        for filters in (16, 32, 64)
        for stage in (
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
        )
    ]
    return [*stages, layers.GlobalAveragePooling2D()]


def _network(decode: Decode, layers: list[Any]) -> Any:  # noqa: ANN401 - keras.Model
    shape = (decode.height, decode.width, 3)
    return keras.Sequential([keras.Input(shape), *layers], name="backbone")
