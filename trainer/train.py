"""What `trainer train` does: train checkpoints on two sources and enter them in the ledger."""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from base.console import interrupt
from base.console.telling import tell
from base.disk import reason_of
from base.runtime import tf
from db.session import Database, open_database
from db.unused_ledger import remove_if_unused
from imaging.data_root import data_folder
from imaging.decoding.decoder import Decoder
from imaging.listing.selection import Selection
from imaging.listing.tables.manifest_options import PLAIN, ManifestOptions
from model.card import Data, Decode
from model.errors import LayerError
from model.features.feature_cache import FeatureKey, FeatureStore, feature_folder
from trainer.options import recipe_values, values_without_layers
from trainer.training.augment import augment
from trainer.training.backbone import FrozenBackbone, build_backbone
from trainer.training.dataset import (
    LabelledImages,
    counts_of,
    list_labelled,
    require_both_classes,
    tell_excluded,
)
from trainer.training.features import FeatureRows, compute_features, joined
from trainer.training.finetune import Images
from trainer.training.progress import EpochLines
from trainer.training.recipe import Recipe
from trainer.training.saving import (
    SavedCheckpoint,
    TrainingInputs,
    TrainRequest,
    describe,
    save_best,
    save_fine_tuned,
)
from trainer.training.state import recover
from trainer.training.train import HeadTraining


class Interrupted(click.ClickException):
    """Training was stopped by Ctrl-C; its progress is kept."""

    exit_code = interrupt.INTERRUPTED


def train(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    train_source: str,
    valid_source: str,
    recipe_name: str,
    target_sensitivity: float | None,
    resume: bool,
    output: Path,
    logs: Path,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: Mapping[str, int | None],
    exclude: tuple[str, ...],
    **values: Any,  # noqa: ANN401 - the options of the recipe
) -> None:
    """Train checkpoints on the first source, choose epochs on the second, print a summary."""
    context = click.get_current_context()
    recipe = Recipe(**recipe_values(context, recipe_name, values))
    without = values_without_layers(context, recipe_name, values)
    request = TrainRequest(
        train_source,
        valid_source,
        recipe,
        output,
        logs,
        target_sensitivity,
        resume,
        Recipe(**without) if without else None,
    )
    with interrupt.unwound():
        options = ManifestOptions(images, path_column, label_columns)
        saved = train_checkpoints(request, data_folder(), labels, options, exclude)
    click.echo(describe(saved))


def train_checkpoints(
    request: TrainRequest,
    root: Path,
    labels: Mapping[str, int | None],
    options: ManifestOptions = PLAIN,
    exclude: Sequence[str] = (),
) -> list[SavedCheckpoint]:
    """Train on the first source, choose epochs on the second, and store the checkpoints.

    Raises:
        Interrupted: by Ctrl-C, after the best epoch so far was saved as a checkpoint.
    """
    database = open_database()  # fail before an hour of training if the ledger is unreachable
    interrupt.keeps(
        "cached features and finished checkpoints are kept, and --resume goes on from the last "
        "epoch that was finished"
    )
    try:
        with remove_if_unused(database):
            sources = _listed(request, root, labels, options, exclude)
            request, inputs = _prepare(request, root, sources)
            saved = _train(request, inputs, database)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        if "No space left" in str(error):  # TensorFlow has one error for both
            full = reason_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            raise click.ClickException(f"{request.logs} cannot be written: {full}") from error
        raise click.ClickException(
            "out of memory: a smaller --batch-size or --augment needs less"
        ) from error
    database.tell_if_new()
    return saved


def _train(
    request: TrainRequest, inputs: TrainingInputs, database: Database
) -> list[SavedCheckpoint]:
    training = inputs.training
    key = request.recipe.key(inputs.digests)
    folder, logs = (
        request.output / f".training-{key}",
        request.logs / f"{request.recipe.name}_{key}",
    )
    _resume_or_start(training, folder, resume=request.resume)
    lines = EpochLines(request.recipe.epochs)
    try:
        training.run(folder, lines, logs)
    except KeyboardInterrupt:
        lines.end()
        saved = save_best(request, inputs, database)
        raise Interrupted(_interruption_message(training.state.epochs, saved)) from None
    saved = save_best(request, inputs, database)
    if request.recipe.fine_tune:
        saved = save_fine_tuned(request, inputs, database, saved)
    shutil.rmtree(folder, ignore_errors=True)
    return saved


def _listed(
    request: TrainRequest,
    root: Path,
    labels: Mapping[str, int | None],
    options: ManifestOptions,
    exclude: Sequence[str],
) -> tuple[LabelledImages, LabelledImages]:
    """The images of both sources; an excluded pattern must match in one of them."""
    selection = Selection(exclude)
    selection.goes_on = True
    train = list_labelled(request.train, root, labels, options, selection)
    selection.goes_on = False
    valid = list_labelled(request.valid, root, labels, options, selection)
    tell_excluded(selection)
    return train, valid


def _prepare(
    request: TrainRequest, root: Path, sources: tuple[LabelledImages, LabelledImages]
) -> tuple[TrainRequest, TrainingInputs]:
    """The request, with the recipe that its backbone can have, and its inputs."""
    recipe = request.recipe
    decode = recipe.decode
    if recipe.fine_tune and not recipe.backbone.startswith("keras:"):
        raise click.ClickException("--fine-tune needs a backbone of keras.applications, keras:NAME")
    train, valid = sources
    backbone, recipe = _backbone(request, decode)
    decoder = Decoder(decode)

    def features(images: LabelledImages, row: int = 0) -> FeatureRows:
        variant = f"augment-{row}-seed-{recipe.seed}" if row else ""
        store = _feature_store(backbone, decode, variant)
        change = partial(augment, row=row, seed=recipe.seed) if row else None
        return compute_features(backbone.forward, decoder, root, images, store, change=change)

    plain, valid_rows = features(train), features(valid)
    for images, rows in zip(sources, (plain, valid_rows), strict=True):
        require_both_classes(images.source, counts_of(rows.labels.tolist()))
    _warn_of_overlap(plain, valid_rows)
    train_rows = joined([plain, *(features(train, row) for row in range(1, recipe.augment))])
    inputs = TrainingInputs(
        decode,
        backbone,
        train_rows,
        valid_rows,
        HeadTraining(backbone, train_rows, valid_rows, recipe),
        _data((train, valid), (plain, valid_rows), root),
        (Images(decoder, root, train), Images(decoder, root, valid)),
    )
    return replace(request, recipe=recipe), inputs


def _backbone(request: TrainRequest, decode: Decode) -> tuple[FrozenBackbone, Recipe]:
    """The backbone, and the recipe that it can have."""
    recipe, without_layers = request.recipe, request.without_layers
    try:
        return build_backbone(recipe.backbone, decode, recipe.layers), recipe
    except LayerError:
        if without_layers is None:
            raise
    tell(
        f"this backbone has no {recipe.features_at}, for which the recipe was chosen: the recipe "
        "for other backbones is taken (docs/training.md)",
        err=True,
    )
    return build_backbone(without_layers.backbone, decode), without_layers


def _warn_of_overlap(train: FeatureRows, valid: FeatureRows) -> None:
    shared = len(set(train.digests) & set(valid.digests))
    if shared:
        tell(
            f"warning: {shared} validation images are training images too, by their bytes: "
            "validation figures will flatter",
            err=True,
        )


def _resume_or_start(training: HeadTraining, folder: Path, *, resume: bool) -> None:
    recover(folder)
    if resume:
        if not folder.is_dir():
            raise click.ClickException(
                f"{folder.parent} holds no interrupted training of these images and options: "
                "leave out --resume"
            )
        training.resume(folder)
        tell(f"resumed after epoch {training.state.epochs}")
    elif folder.is_dir():
        tell("an interrupted training starts again; --resume would have continued it", err=True)


def _interruption_message(epochs: int, saved: list[SavedCheckpoint]) -> str:
    kept = f"; the best so far is {saved[0].path}" if saved else ""
    return f"interrupted after epoch {epochs}{kept}; the same command with --resume goes on"


def _data(
    sources: tuple[LabelledImages, LabelledImages],
    rows: tuple[FeatureRows, FeatureRows],
    root: Path,
) -> Data:
    (train, valid), (train_rows, valid_rows) = sources, rows
    return Data(
        train=train.source,
        valid=valid.source,
        train_counts=counts_of(train_rows.labels.tolist()),
        valid_counts=counts_of(valid_rows.labels.tolist()),
        images=sorted(set(train_rows.digests)),
        valid_images=sorted(set(valid_rows.digests)),
        synthetic=_is_synthetic(root, train),
    )


def _is_synthetic(root: Path, images: LabelledImages) -> bool:
    """Whether `demo/draw.py` drew the images; it puts a note into a folder above them."""
    folders = (root / images.paths[0]).parents
    return any((folder / "SYNTHETIC.txt").is_file() for folder in list(folders)[:3])


def _feature_store(backbone: FrozenBackbone, decode: Decode, variant: str) -> FeatureStore | None:
    """The store of features; None for `small`, whose features are quick to compute and large."""
    shape = backbone.network.output_shape[1:]
    if backbone.card.option == "small" or None in shape:
        return None
    key = FeatureKey(backbone=backbone.card.digest, decode=decode, shape=shape, variant=variant)
    return FeatureStore(feature_folder(), key)
