"""A head that is fitted anew on the features of an int8 backbone, by the recipe of the card."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imaging.decoding.decoder import Decoder
from imaging.listing.tables.manifest_options import ManifestOptions
from model.card import Backbone, Data, ModelCard, Training
from model.errors import CheckpointError
from model.quantised.quantised_backbone import QuantisedBackbone
from report.metrics.metrics import measure
from trainer.training.backbone import FrozenBackbone
from trainer.training.dataset import LabelledImages, counts_of, list_labelled
from trainer.training.features import FeatureRows, compute_features
from trainer.training.progress import EpochLines
from trainer.training.recipe import Recipe
from trainer.training.train import HeadTraining, evaluate
from worker.scoring.graphs.openvino_graph import OpenvinoGraph


class Fitted(NamedTuple):
    """The new head's layers, and what the card says of its training."""

    layers: list[Any]
    data: Data
    training: Training
    validation: dict[str, float | None]


def fit_head(  # noqa: PLR0913 - all that a training depends on
    layer: QuantisedBackbone,
    card: ModelCard,
    path: Path,
    root: Path,
    *,
    sources: tuple[str, str],
    options: ManifestOptions,
    labels: Mapping[str, int | None],
) -> Fitted:
    """Train on the first source's labelled images, choose the epoch on the second's.

    Raises:
        CheckpointError: the card has no recipe of a frozen backbone.
    """
    recipe = recipe_of(card, path)
    graph = OpenvinoGraph(layer.network, (card.decode.height, card.decode.width, 3))
    images = [list_labelled(source, root, labels, options) for source in sources]
    decoder = Decoder(card.decode)
    train, valid = (
        compute_features(lambda pixels: graph(np.asarray(pixels)), decoder, root, one)
        for one in images
    )
    digest = Backbone(option=recipe.backbone, digest=layer.digest or "", description="int8")
    training = HeadTraining(FrozenBackbone(layer, digest), train, valid, recipe)
    with tempfile.TemporaryDirectory(prefix="dermscore-quantise-") as folder:
        state, logs = Path(folder) / "state", Path(folder) / "logs"
        training.run(state, EpochLines(recipe.epochs), logs)
    best = training.chosen[0]
    head = training.head_with(best.weights)
    scores = head.predict(valid.features, verbose=0)[:, 0].astype(np.float64)
    auc = measure(valid.labels.astype(np.int8), scores, 0.5).roc_auc.value
    told = Training(
        recipe=recipe.settings(),
        epochs=training.state.epochs,
        best_epoch=best.epoch,
        history=training.state.history,
        note=card.training.note if card.training else None,
    )
    validation = {**evaluate(head, valid), "roc_auc": auc}
    return Fitted(list(head.layers), _data(images, train, valid, card), told, validation)


def recipe_of(card: ModelCard, path: Path) -> Recipe:
    """The recipe that the card's checkpoint was trained by, for its head alone.

    Raises:
        CheckpointError: it has none, or one that trained more than a head on one row for an image.
    """
    told = dict(card.training.recipe) if card.training else {}
    if not told or told.get("fine_tune") or told.get("backbone") == "small":
        raise CheckpointError(
            f"--fit-head: the card of {path} has no recipe of a head on a frozen backbone"
        )
    return Recipe(**{**told, "augment": 1})  # type: ignore[arg-type] # as the recipe wrote them


def _data(
    images: list[LabelledImages], train: FeatureRows, valid: FeatureRows, card: ModelCard
) -> Data:
    return Data(
        train=images[0].source,
        valid=images[1].source,
        train_counts=counts_of(train.labels.tolist()),
        valid_counts=counts_of(valid.labels.tolist()),
        images=sorted(set(train.digests)),
        valid_images=sorted(set(valid.digests)),
        synthetic=card.data.synthetic if card.data else False,
    )
