"""What `trainer train` does, from two sources to a checkpoint that the ledger knows."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.metrics import roc_auc_score

from db.runs import add_checkpoint
from db.session import open_database
from model.card import Data, Decode, ModelCard, Training
from model.checkpoint import save_checkpoint
from model.preprocess import Decoder
from trainer.backbone import build_backbone
from trainer.dataset import LabelledImages, list_labelled
from trainer.features import FeatureRows, compute_features
from trainer.train import Recipe, Trained, train_head


def train_checkpoint(
    sources: tuple[str, str],
    root: Path,
    labels: Mapping[str, int],
    recipe: Recipe,
    output: Path,
) -> tuple[Path, ModelCard]:
    """Train on the first source, choose the epoch on the second, write and enter the checkpoint."""
    train, valid = (list_labelled(source, root, labels) for source in sources)
    database = open_database()  # an unreachable ledger should not cost an hour of training
    decode = Decode()
    backbone = build_backbone(recipe.backbone, decode)
    decoder = Decoder(decode)
    train_rows = compute_features(backbone.network, decoder, root, train)
    valid_rows = compute_features(backbone.network, decoder, root, valid)
    trained = train_head(backbone, train_rows, valid_rows, recipe)
    path = (
        output
        / f"benign-vs-malignant_{recipe.batch_size}_{recipe.optimizer}_{trained.loss:.3f}.keras"
    )
    card = save_checkpoint(
        trained.network,
        path,
        {
            "decode": decode,
            "backbone": backbone.card,
            "data": _data(train, valid, train_rows, root),
            "training": _training(recipe, trained),
            "validation": _validation(trained, valid_rows),
            "versions": {name: version(name) for name in ("dermscore", "tensorflow", "keras")},
        },
    )
    with database.write() as session:
        add_checkpoint(session, card.digest, str(path.absolute()), card.as_json())
    return path, card


def describe(path: Path, card: ModelCard) -> str:
    """What a person wants to know of a new checkpoint."""
    figures = ", ".join(f"{name} {value:.3f}" for name, value in card.validation.items() if value)
    return (
        f"{path}\n  digest {card.digest[:12]}, {card.backbone and card.backbone.description}\n"
        f"  validation: {figures} (best epoch {card.training and card.training.best_epoch})\n"
        "next: producer enqueue SOURCE"
    )


def _data(train: LabelledImages, valid: LabelledImages, rows: FeatureRows, root: Path) -> Data:
    return Data(
        train=train.source,
        valid=valid.source,
        train_counts=train.counts,
        valid_counts=valid.counts,
        images=rows.digests,
        synthetic=_is_synthetic(root, train),
    )


def _is_synthetic(root: Path, images: LabelledImages) -> bool:
    """Whether the images were drawn by `demo/draw.py`, which leaves a note above them."""
    folders = (root / images.paths[0]).parents
    return any((folder / "SYNTHETIC.txt").is_file() for folder in list(folders)[:3])


def _training(recipe: Recipe, trained: Trained) -> Training:
    return Training(
        optimizer=recipe.optimizer,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        best_epoch=trained.best_epoch,
        seed=recipe.seed,
    )


def _validation(trained: Trained, valid: FeatureRows) -> dict[str, Any]:
    try:
        auc = float(roc_auc_score(valid.labels, trained.scores))
    except ValueError:  # one class only, where unreadable images were left out
        auc = None
    return {"loss": trained.loss, "accuracy": trained.accuracy, "roc_auc": auc}
