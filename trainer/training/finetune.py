"""The second stage: the top of a keras.applications backbone is trained too, at a low rate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from base.console.telling import tell
from base.runtime import keras
from imaging.decoding.decoder import Decoder
from trainer.training.dataset import LabelledImages
from trainer.training.recipe import Recipe
from trainer.training.train import make_optimizer

# The head is trained already; a higher rate would first undo what the backbone knows.
_RATE = 1e-2
_Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Images:
    """Labelled images that are decoded anew in every epoch: too large to be kept."""

    decoder: Decoder
    root: Path
    images: LabelledImages

    def batches(self, order: npt.NDArray[np.int64], size: int) -> Iterator[_Batch]:
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

    The network ends with the weights of its best epoch by validation loss, or as it was when none
    is below `loss_before`; returns whether one was.
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
    """Scores and labels, both `[n]`, of the readable images in their order."""
    order = np.arange(len(images.images.paths))
    parts = [
        (network.predict_on_batch(batch)[:, 0], labels)
        for batch, labels in images.batches(order, size)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def mean_loss(scores: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> float:
    """Binary cross-entropy of scores `[n]` against labels `[n]`, as Keras clips it."""
    return float(np.mean(keras.losses.binary_crossentropy(labels[:, None], scores[:, None])))


def _unfreeze(network: Any, layers: int) -> None:  # noqa: ANN401 - keras.Model
    backbone = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    backbone.trainable = True
    for layer in backbone.layers[:-layers]:
        layer.trainable = False
    for layer in backbone.layers:
        # Its statistics are ImageNet's; those of a few batches of skin would be worse.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
