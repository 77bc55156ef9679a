"""Saves a training as checkpoints with model cards, on disk and in the ledger."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from base.arrays import Float32Array, Float64Array, LabelArray
from base.console.foreign import for_terminal
from base.console.telling import tell
from base.disk import reason_of
from base.runtime import keras
from base.whole_file import whole_file
from db.queries.runs import add_checkpoint
from db.session import Database
from model.backbones import weights_digest
from model.card import Data, Decode, ModelCard, Threshold, Training
from model.checkpoint import save_checkpoint
from report.metrics.metrics import measure
from report.thresholds.operating_point import threshold_for_sensitivity
from report.thresholds.threshold_text import threshold_text
from trainer.training.backbone import FrozenBackbone
from trainer.training.curves import save_curves
from trainer.training.features import FeatureRows
from trainer.training.finetune import Images, fine_tune, mean_loss, scores_of
from trainer.training.recipe import Recipe
from trainer.training.state import BestEpoch
from trainer.training.train import HeadTraining, evaluate


@dataclass(frozen=True)
class TrainRequest:
    """The request of a `trainer train` command.

    `without_layers` is the recipe for a backbone that lacks the layers of `recipe`, if that is no
    error.
    """

    train: str
    valid: str
    recipe: Recipe
    output: Path
    logs: Path
    target_sensitivity: float | None = None
    resume: bool = False
    without_layers: Recipe | None = None


class SavedCheckpoint(NamedTuple):
    """A checkpoint on disk and its card."""

    path: Path
    card: ModelCard


@dataclass(frozen=True)
class TrainingInputs:
    """Everything that a training needs, prepared from its sources."""

    decode: Decode
    backbone: FrozenBackbone
    train: FeatureRows
    valid: FeatureRows
    training: HeadTraining
    data: Data
    images: tuple[Images, Images]

    @property
    def digests(self) -> list[str]:
        """Digests of everything that the training depends on, apart from its recipe."""
        images = [
            f"{digest} {label:g}"
            for rows in (self.train, self.valid)
            for digest, label in zip(rows.digests, rows.labels.tolist(), strict=True)
        ]
        return [self.backbone.card.digest, *images]


def describe(saved: list[SavedCheckpoint]) -> str:
    """A summary of new checkpoints, the best first."""
    lines = []
    for path, card in saved:
        figures = ", ".join(
            f"{name} {value:.3f}" for name, value in card.validation.items() if value is not None
        )
        best = card.training.best_epoch if card.training else "?"
        backbone = card.backbone.description if card.backbone else "?"
        lines += [
            str(path),
            f"  digest {card.digest[:12]}, {backbone}",
            f"  validation: {figures} (epoch {best})",
        ]
        if card.threshold:
            lines.append(
                f"  threshold {threshold_text(card.threshold.value)}: {card.threshold.how}"
            )
    return "\n".join(map(for_terminal, [*lines, "next: producer enqueue SOURCE"]))


def save_best(
    request: TrainRequest, inputs: TrainingInputs, database: Database
) -> list[SavedCheckpoint]:
    """Write and enter a checkpoint for each of the best epochs, the best first."""
    saved = [_save_epoch(request, inputs, best) for best in inputs.training.chosen]
    _enter(database, saved)
    return saved


def _enter(database: Database, saved: list[SavedCheckpoint]) -> None:
    with database.write() as session:
        for path, card in reversed(saved):  # the best is the newest
            add_checkpoint(session, card.digest, str(path.absolute()), card.as_json())


def _save_epoch(request: TrainRequest, inputs: TrainingInputs, best: BestEpoch) -> SavedCheckpoint:
    head = inputs.training.head_with(best.weights)
    scores = head.predict(inputs.valid.features, verbose=0)[:, 0]
    figures = evaluate(head, inputs.valid)
    network = _whole(inputs, head)
    return _save(request, inputs, best, (network, figures, scores, inputs.valid.labels))


def _whole(inputs: TrainingInputs, head: Any) -> Any:  # noqa: ANN401 - keras.Model
    network = inputs.backbone.network
    whole = keras.Sequential([*network.layers, *head.layers], name="dermscore")
    whole.build(network.input_shape)
    return whole


def save_fine_tuned(
    request: TrainRequest, inputs: TrainingInputs, database: Database, saved: list[SavedCheckpoint]
) -> list[SavedCheckpoint]:
    """The fine-tuned checkpoint followed by the others, or only the others if it is not better."""
    best = inputs.training.chosen[0]
    network = _whole(inputs, inputs.training.head_with(best.weights))
    train, valid = inputs.images
    if not fine_tune(network, train, valid, request.recipe, best.loss):
        tell("fine-tuning found nothing better: the checkpoint before it is kept")
        return saved
    scores, labels = scores_of(network, valid, request.recipe.batch_size)
    loss = mean_loss(scores, labels)
    figures = {"loss": loss, "accuracy": float(np.mean((scores >= 0.5) == labels))}
    tuned = _save(
        request,
        _tuned(inputs, request.recipe),
        replace(best, loss=loss),
        (network, figures, scores, labels),
    )
    _enter(database, [tuned])
    return [tuned, *saved]


def _tuned(inputs: TrainingInputs, recipe: Recipe) -> TrainingInputs:
    """The same inputs, with the backbone described as fine-tuned."""
    before = inputs.backbone
    what = f"{before.card.description}, then its top {recipe.fine_tune} layers fine-tuned"
    digest = weights_digest(before.network, what)
    card = before.card.model_copy(update={"digest": digest, "description": what})
    return replace(inputs, backbone=replace(before, card=card))


def _save(
    request: TrainRequest,
    inputs: TrainingInputs,
    best: BestEpoch,
    outcome: tuple[Any, dict[str, float], Float32Array, Float32Array],
) -> SavedCheckpoint:
    """Write a checkpoint; `outcome` is its network, validation figures, scores and labels."""
    network, figures, raw_scores, raw_labels = outcome
    scores, labels = raw_scores.astype(np.float64), raw_labels.astype(np.int8)
    card = {
        "decode": inputs.decode,
        "backbone": inputs.backbone.card,
        "data": inputs.data,
        "training": _training(request.recipe, inputs.training, best),
        "validation": {**figures, "roc_auc": measure(labels, scores, 0.5).roc_auc.value},
        "threshold": _threshold(request.target_sensitivity, labels, scores),
        "versions": {name: version(name) for name in ("dermscore", "tensorflow", "keras")},
    }
    path, finished = save_checkpoint(
        network, request.output / request.recipe.file_name(best.loss), card
    )
    _save_curves(path.with_suffix(".png"), inputs.training, best)
    return SavedCheckpoint(path, finished)


def _save_curves(path: Path, training: HeadTraining, best: BestEpoch) -> None:
    """Save the learning curves; a failure only gives a warning and keeps the checkpoint."""
    try:
        with whole_file(path) as draft:
            save_curves(draft, training.state.history, best.epoch)
    except OSError as error:
        tell(f"warning: {path} cannot be written: {reason_of(error)}", err=True)


def _training(recipe: Recipe, training: HeadTraining, best: BestEpoch) -> Training:
    shifted = recipe.balance != "none"
    return Training(
        recipe=recipe.settings(),
        epochs=training.state.epochs,
        best_epoch=best.epoch,
        history=training.state.history,
        note="trained on balanced classes: scores overstate the probability of melanoma"
        if shifted
        else None,
    )


def _threshold(target: float | None, labels: LabelArray, scores: Float64Array) -> Threshold | None:
    """The threshold with this sensitivity on the validation images."""
    if target is None:
        return None
    value = threshold_for_sensitivity(labels, scores, target)
    reached = measure(labels, scores, value)
    return Threshold(
        value=value,
        how=f"sensitivity at least {threshold_text(target)} on the validation images: "
        f"{reached.sensitivity.count}/{reached.sensitivity.total}, with specificity "
        f"{reached.specificity.count}/{reached.specificity.total}",
    )
