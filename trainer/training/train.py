"""Trains the head on the backbone's features, epoch by epoch."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from imblearn.over_sampling import RandomOverSampler

from base.arrays import Float32Array, Int64Array
from base.console.telling import tell
from base.runtime import keras
from trainer.training.backbone import FrozenBackbone
from trainer.training.features import FeatureRows
from trainer.training.recipe import Recipe
from trainer.training.state import BestEpoch, TrainingState, Weights

# A kill loses at most this much training; features are cached.
SAVE_SECONDS = 2.0
_EVALUATION_BATCH = 1024
# About the norm of InceptionV3's features, so that learning rates keep their meaning.
_UNIT_SCALE = 8.0
# A feature with a smaller deviation in training is not scaled up.
_SMALLEST_DEVIATION = 1e-6


class HeadTraining:
    """One training of a head, which can be stopped and resumed.

    The order of the rows depends only on the seed and the epoch, so a resumed training gives the
    same result as an uninterrupted one. `train_on_batch` takes a tenth of the time of `fit`.
    """

    def __init__(
        self, backbone: FrozenBackbone, train: FeatureRows, valid: FeatureRows, recipe: Recipe
    ) -> None:
        self._train, self._valid, self._recipe = train, valid, recipe
        self.state = TrainingState(recipe.keep)
        self.head = make_head(backbone, train, recipe)
        self._rows = _balanced_rows(train.labels, recipe)
        self._weights = _class_weights(train.labels, recipe)

    def resume(self, folder: Path) -> None:
        """Continue from the state in `folder`.

        Its values are copied into the existing head, because a loaded head loses the exclusion of
        biases from weight decay and would be saved with other bytes.
        """
        self.state, stored = TrainingState.load(folder, self._recipe.keep)
        for variable, value in zip(_variables(self.head), _variables(stored), strict=True):
            variable.assign(value)

    def run(self, folder: Path, on_epoch: Callable[[TrainingState], None], logs: Path) -> None:
        """Train to the last epoch, or until `patience` runs out; save the state in `folder`.

        Raises:
            click.ClickException: the validation loss is not a number.
        """
        callbacks = _tensorboard(logs, self.head)
        saved_at = time.monotonic()
        try:
            while self.state.epochs < self._recipe.epochs and not self._out_of_patience():
                figures = self._epoch_or_restore(self.state.epochs)
                self.state.record(figures, self.head.get_weights())
                callbacks.on_epoch_end(self.state.epochs - 1, figures)
                on_epoch(self.state)
                if time.monotonic() > saved_at + SAVE_SECONDS:
                    self._save_state(folder)
                    saved_at = time.monotonic()
        finally:
            self._save_state(folder)
            callbacks.on_train_end()
        if not all(math.isfinite(best.loss) for best in self.chosen) or not self.chosen:
            raise click.ClickException("the validation loss is not a number: lower --learning-rate")

    def _save_state(self, folder: Path) -> None:
        """Save the state; a failure only gives a warning, and the training cannot be resumed."""
        try:
            self.state.save(folder, self.head)
        except OSError as error:
            tell(f"warning: {folder}: {error.strerror or error}: no --resume", err=True)

    @property
    def chosen(self) -> list[BestEpoch]:
        """The epochs that become checkpoints, the best first."""
        if self._recipe.epoch == "best" or not self.state.epochs:
            return self.state.best
        loss = self.state.history["val_loss"][-1]
        return [BestEpoch(self.state.epochs, loss, self.head.get_weights())]

    def head_with(self, weights: Weights) -> Any:  # noqa: ANN401 - keras.Model
        """The head with these weights."""
        self.head.set_weights(weights)
        return self.head

    def _epoch_or_restore(self, epoch: int) -> dict[str, float]:
        """Train one epoch; Ctrl-C restores the head to its state before the epoch."""
        before = [variable.numpy() for variable in _variables(self.head)]
        try:
            return self._epoch(epoch)
        except KeyboardInterrupt:
            for variable, value in zip(_variables(self.head), before, strict=True):
                variable.assign(value)
            raise

    def _epoch(self, epoch: int) -> dict[str, float]:
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(self._rows)

        def train(rows: Int64Array) -> dict[str, float]:
            features, labels = self._train.features[rows], self._train.labels[rows]
            logs: dict[str, float] = self.head.train_on_batch(
                features, labels, class_weight=self._weights, return_dict=True
            )
            return logs

        figures = _mean_over(order, self._recipe.batch_size, train)
        valid = evaluate(self.head, self._valid)
        return {**figures, **{f"val_{name}": value for name, value in valid.items()}}

    def _out_of_patience(self) -> bool:
        patience = self._recipe.patience
        return patience is not None and self.state.since_best >= patience


def make_head(backbone: FrozenBackbone, train: FeatureRows, recipe: Recipe) -> Any:  # noqa: ANN401 - keras.Model
    """The layers between features and score, compiled as in the tutorial."""
    keras.utils.set_random_seed(recipe.seed)
    layers = [*_feature_layers(train, recipe), *backbone.head_layers(), _score_unit(train, recipe)]
    head = keras.Sequential([keras.Input(train.features.shape[1:]), *layers], name="head")
    optimizer = make_optimizer(recipe, recipe.learning_rate)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    head.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    optimizer.build(head.trainable_variables)
    return head


def make_optimizer(recipe: Recipe, learning_rate: float) -> Any:  # noqa: ANN401 - keras.Optimizer
    """The recipe's optimizer with this learning rate."""
    config = {
        "learning_rate": learning_rate,
        "weight_decay": recipe.weight_decay,  # 0.0 instead of None, which AdamW rejects
    }
    return keras.optimizers.get({"class_name": recipe.optimizer, "config": config})


def _variables(head: Any) -> list[Any]:  # noqa: ANN401 - keras.Model
    """All variables that training changes: the weights and the optimizer's state."""
    return [*head.variables, *head.optimizer.variables]


def evaluate(head: Any, rows: FeatureRows) -> dict[str, float]:  # noqa: ANN401 - keras.Model
    """Loss and accuracy of the head on these rows."""

    def test(batch: Int64Array) -> dict[str, float]:
        logs: dict[str, float] = head.test_on_batch(
            rows.features[batch], rows.labels[batch], return_dict=True
        )
        return logs

    return _mean_over(np.arange(len(rows.labels)), _EVALUATION_BATCH, test)


def _feature_layers(train: FeatureRows, recipe: Recipe) -> list[Any]:
    """Fixed layers that scale the features; they are part of the checkpoint."""
    layers = []
    if recipe.unit_norm:
        layers += [keras.layers.UnitNormalization(), keras.layers.Rescaling(_UNIT_SCALE)]
    if recipe.standardise:
        layers.append(_standardisation(train.features))
    return layers


def _score_unit(train: FeatureRows, recipe: Recipe) -> Any:  # noqa: ANN401 - keras.Layer
    start = "zeros" if recipe.zero_init else "glorot_uniform"
    bias = keras.initializers.Constant(_log_odds(train, recipe)) if recipe.prior_init else "zeros"
    return keras.layers.Dense(
        1, activation="sigmoid", kernel_initializer=start, bias_initializer=bias, name="score"
    )


def _log_odds(train: FeatureRows, recipe: Recipe) -> float:
    """Of the share of malignant rows, as they count in training."""
    malignant = float(train.labels.mean(dtype=np.float64))
    return 0.0 if recipe.balance != "none" else math.log(malignant / (1 - malignant))


def _standardisation(features: Float32Array) -> Any:  # noqa: ANN401 - keras.Layer
    """Centre and scale each feature by the training rows."""
    axes = tuple(range(features.ndim - 1))
    mean = features.mean(axes, dtype=np.float64)
    variance = features.var(axes, dtype=np.float64)
    variance[variance < _SMALLEST_DEVIATION**2] = 1.0
    return keras.layers.Normalization(
        axis=-1, mean=mean.tolist(), variance=variance.tolist(), name="standardise"
    )


def _balanced_rows(labels: Float32Array, recipe: Recipe) -> Int64Array:
    rows = np.arange(len(labels))
    if recipe.balance != "oversample":
        return rows
    sampler = RandomOverSampler(random_state=recipe.seed)
    resampled: Int64Array = sampler.fit_resample(rows[:, None], labels)[0][:, 0]
    return resampled


def _class_weights(labels: Float32Array, recipe: Recipe) -> dict[int, float] | None:
    """Weights that give both classes the same total, and keep the total of all rows."""
    if recipe.balance != "weights":
        return None
    malignant = float(labels.mean())
    return {0: 0.5 / (1 - malignant), 1: 0.5 / malignant}


def _mean_over(
    order: Int64Array, size: int, step: Callable[[Int64Array], dict[str, float]]
) -> dict[str, float]:
    """The mean figures of `step` over all rows, in slices of `size`; each row counts equally."""
    sums: dict[str, float] = {}
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        for name, value in step(rows).items():  # Keras gives the figures of this slice only
            sums[name] = sums.get(name, 0.0) + float(value) * len(rows)
    return {name: total / len(order) for name, total in sums.items()}


def _tensorboard(logs: Path, head: Any) -> Any:  # noqa: ANN401 - keras's CallbackList
    callback = keras.callbacks.TensorBoard(log_dir=str(logs), write_graph=False)
    callbacks = keras.callbacks.CallbackList([callback], model=head)
    callbacks.on_train_begin()
    return callbacks
