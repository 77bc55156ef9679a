"""Train the head on the backbone's features; the best epoch by validation loss is kept."""

from dataclasses import dataclass
from typing import Any

import click

from model.runtime import keras
from trainer.backbone import FrozenBackbone
from trainer.features import FeatureRows


@dataclass(frozen=True)
class Recipe:
    """The tutorial's settings, unless told otherwise."""

    backbone: str
    epochs: int = 100
    batch_size: int = 64
    optimizer: str = "rmsprop"
    learning_rate: float = 1e-3
    seed: int = 7


@dataclass(frozen=True)
class Trained:
    """The whole network, backbone and head, at its best epoch (counted from 1)."""

    network: Any
    best_epoch: int
    loss: float
    accuracy: float
    scores: Any


class _Improvements(keras.callbacks.Callback):  # type: ignore[misc] # keras has no types
    """Keeps the weights of the best epoch and says when there is a better one."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self.best_epoch, self.best_loss = 0, float("inf")
        self.best_weights: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if not logs["val_loss"] < self.best_loss:
            return
        self.best_epoch, self.best_loss = epoch + 1, logs["val_loss"]
        self.best_weights = self.model.get_weights()
        click.echo(
            f"epoch {epoch + 1}/{self._epochs}: loss {logs['loss']:.3f}, "
            f"validation loss {logs['val_loss']:.3f} (best so far), "
            f"validation accuracy {logs['val_accuracy']:.3f}"
        )


def train_head(
    backbone: FrozenBackbone, train: FeatureRows, valid: FeatureRows, recipe: Recipe
) -> Trained:
    """Fit the head as the tutorial fits it: binary cross-entropy, accuracy, shuffled batches.

    Raises:
        click.ClickException: the loss was never a number.
    """
    keras.utils.set_random_seed(recipe.seed)
    head = _head(backbone, train.features.shape[1:])
    head.compile(_optimizer(recipe), loss="binary_crossentropy", metrics=["accuracy"])
    best = _Improvements(recipe.epochs)
    head.fit(
        train.features,
        train.labels,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        validation_data=(valid.features, valid.labels),
        callbacks=[best],
        verbose=0,
    )
    if not best.best_epoch:
        raise click.ClickException("the validation loss was never a number: lower --learning-rate")
    head.set_weights(best.best_weights)
    loss, accuracy = head.evaluate(valid.features, valid.labels, verbose=0)
    scores = head.predict(valid.features, verbose=0)[:, 0]
    whole = keras.Sequential([*backbone.network.layers, *head.layers], name="dermscore")
    whole.build(backbone.network.input_shape)
    return Trained(whole, best.best_epoch, float(loss), float(accuracy), scores)


def _head(backbone: FrozenBackbone, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - keras.Model
    layers = [*backbone.head_layers(), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input(shape), *layers])


def _optimizer(recipe: Recipe) -> Any:  # noqa: ANN401 - keras.Optimizer
    return keras.optimizers.get(
        {"class_name": recipe.optimizer, "config": {"learning_rate": recipe.learning_rate}}
    )
