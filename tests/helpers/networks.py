"""Tiny checkpoints of every kind, their images, and an engine that scores with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from base.runtime import keras, tf
from db.queries.runs import RunSpec
from imaging.decoding.decoder import Decoder
from model.card import Backbone, Decode
from model.checkpoint import load_checkpoint, save_checkpoint
from model.hub.hub_module import HubModule, module_digest
from worker.scoring.engine import ModelEngine
from worker.scoring.features import RunFeatures
from worker.scoring.model_registry import ModelRegistry

SIDE = 32
FEATURES = 8
# The channels of an InceptionV3's blocks, from which its layers are known.
BLOCKS = [256, 288, 288, *[768] * 5, 1280, 2048, 2048]
DECODE = Decode(height=SIDE, width=SIDE)


class Module(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Eight features that depend on the weights and on the image, by a real convolution."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        kernel = np.random.default_rng(seed).normal(size=(3, 3, 3, FEATURES))
        self.kernel = tf.Variable(kernel.astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME")), [1, 2])


class Colours(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Probabilities of the three classes red, green and blue, by the mean colour of an image."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.nn.softmax(5.0 * tf.reduce_mean(images, [1, 2]))


class InceptionBlocks(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Joins of branches with the channels of an InceptionV3, and a further join in each block."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        maps = images[:, ::16, ::16, :1]
        for channels in BLOCKS:
            inner = tf.concat([maps[..., :1], maps[..., :1]], -1)
            rest = tf.tile(maps[..., :1], [1, 1, 1, channels - 2])
            maps = tf.concat([inner, rest], -1) + 1.0
        return tf.reduce_mean(maps, [1, 2])


class Saved(NamedTuple):
    """A checkpoint on disk."""

    path: Path
    digest: str

    def spec(
        self,
        run_id: int = 1,
        precision: str = "float32",
        *,
        keep_features: bool = False,
        views: int = 1,
    ) -> RunSpec:
        path = str(self.path)
        return RunSpec(run_id, "data", self.digest, path, precision, keep_features, views)


def save_module(folder: Path, seed: int = 0) -> Path:
    """A folder such as TensorFlow Hub gives."""
    tf.saved_model.save(Module(seed), str(folder))
    return folder


def head(seed: int, features: int = FEATURES) -> Any:
    """The sigmoid unit of one training."""
    unit = keras.layers.Dense(1, activation="sigmoid")
    unit.build((None, features))
    weights = np.random.default_rng(seed).normal(size=(features, 1)).astype(np.float32)
    unit.set_weights([weights - weights.mean(), np.zeros(1, np.float32)])
    return unit


def save(
    path: Path, network: Any, backbone: Backbone | None = None, decode: Decode = DECODE
) -> Saved:
    path, card = save_checkpoint(network, path, {"decode": decode, "backbone": backbone})
    return Saved(path, card.digest)


def sequential(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), *layers])


def hub_checkpoint(
    path: Path, module: Path, seed: int, *, claim: str | None = None, decode: Decode = DECODE
) -> Saved:
    """A new head on a module; the card claims another digest than the module's if told to."""
    card = Backbone(
        option="hub:module", digest=claim or module_digest(module), description="a tiny module"
    )
    return save(path, sequential(HubModule(FEATURES, module), head(seed)), card, decode)


def classes_checkpoint(
    folder: Path,
    classes: Sequence[str] = ("red", "green", "blue"),
    positive: Sequence[str] = ("red",),
    *,
    summed: Sequence[int] = (1, 0, 0),
    module: Any = None,
) -> Saved:
    """`Colours`, or another `module`; the score is the sum that `summed` says."""
    tf.saved_model.save(module or Colours(), str(folder / "module"))
    unit = keras.layers.Dense(1, use_bias=False, trainable=False)
    network = sequential(HubModule(len(summed), folder / "module"), unit)
    unit.set_weights([np.array(summed, np.float32)[:, None]])
    digest = module_digest(folder / "module")
    card = {
        "decode": DECODE,
        "output": "probability",
        "backbone": Backbone(option="hub:colours", digest=digest, description="mean colours"),
        "classes": classes,
        "positive": positive,
    }
    path, made = save_checkpoint(network, folder / "classes.keras", card)
    return Saved(path, made.digest)


def engine(root: Path, cache: Path, scorers: ModelRegistry | None = None) -> ModelEngine:
    """A worker's engine; `scorers` that are loaded already save seconds."""
    return ModelEngine(root, scorers or ModelRegistry(None), RunFeatures(cache))


def paths_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.jpg"))


def nothing_known(_paths: Sequence[str]) -> dict[str, str]:
    return {}


def predicted(saved: Saved, root: Path, paths: Sequence[str]) -> npt.NDArray[np.float32]:
    """What Keras itself says of these images."""
    network, card = load_checkpoint(saved.path)
    images = Decoder(card.decode).decode_files(root, paths).images
    scores: npt.NDArray[np.float32] = network.predict(images, verbose=0)[:, 0]
    return scores
