"""The second stage: also trains the top of a keras.applications backbone, at a low rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from base.arrays import Float32Array, Int64Array
from base.console.telling import tell
from base.runtime import keras
from imaging.decoding.decoder import Decoder
from trainer.training.dataset import LabelledImages
from trainer.training.recipe import Recipe
from trainer.training.train import make_optimizer

# The head is already trained; a higher rate would destroy what the backbone has learned.
_RATE = 1e-2
_Batch = tuple[Float32Array, Float32Array]


@dataclass(frozen=True)
class Images:
    """Labelled images that are decoded in every epoch, because they are too large to keep."""

    decoder: Decoder
    root: Path
    images: LabelledImages

    def batches(self, order: Int64Array, size: int) -> Iterator[_Batch]:
        """Images `[k, height, width, 3]` and labels `[k]`; unreadable ones are left out."""
        for start in range(0, len(order), size):
            rows = order[start : start + size].tolist()
            batch = self.decoder.decode_files(self.root, [self.images.paths[row] for row in rows])
            labels = [self.images.labels[rows[position]] for position in batch.positions]
            if labels:
                yield batch.images, np.asarray(labels, np.float32)


def fine_tune(
    network: Any,  # noqa: ANN401 - keras.Model
    train: Images,
    valid: Images,
    recipe: Recipe,
    loss_before: float,
) -> bool:
    """Train the top `recipe.fine_tune` layers of the backbone inside `network`, and the head.

    The network keeps the weights of its best epoch by validation loss, or its original weights if
    no epoch is below `loss_before`. Returns whether an epoch was.
    """
    _unfreeze(network, recipe.fine_tune)
    optimizer = make_optimizer(recipe, recipe.learning_rate * _RATE)
    network.compile(optimizer, loss="binary_crossentropy")
    best_loss, best_weights, improved = loss_before, network.get_weights(), False
    for epoch in range(recipe.fine_tune_epochs):
        seed = [recipe.seed, recipe.epochs + epoch]
        order = np.random.default_rng(seed).permutation(len(train.images.paths))
        for images, labels in train.batches(order, recipe.batch_size):
            network.train_on_batch(images, labels)
        loss = mean_loss(*scores_of(network, valid, recipe.batch_size))
        tell(f"fine-tuning {epoch + 1}/{recipe.fine_tune_epochs}: validation loss {loss:.3f}")
        if loss < best_loss:
            best_loss, best_weights, improved = loss, network.get_weights(), True
    network.set_weights(best_weights)
    return improved


def scores_of(network: Any, images: Images, size: int) -> _Batch:  # noqa: ANN401 - keras.Model
    """Scores and labels, both `[n]`, of the readable images, in order."""
    order = np.arange(len(images.images.paths))
    parts = [
        (network.predict_on_batch(batch)[:, 0], labels)
        for batch, labels in images.batches(order, size)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def mean_loss(scores: Float32Array, labels: Float32Array) -> float:
    """Binary cross-entropy of scores `[n]` against labels `[n]`, clipped as Keras does."""
    return float(np.mean(keras.losses.binary_crossentropy(labels[:, None], scores[:, None])))


def _unfreeze(network: Any, layers: int) -> None:  # noqa: ANN401 - keras.Model
    backbone = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    backbone.trainable = True
    for layer in backbone.layers[:-layers]:
        layer.trainable = False
    for layer in backbone.layers:
        # It keeps ImageNet's statistics; those of a few batches of skin images would be worse.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
