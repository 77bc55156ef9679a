"""The command `trainer`."""

from pathlib import Path

import click

from model.labels import LabelOption, with_labels


@click.group()
def main() -> None:
    """Make the checkpoints that workers score with."""


@main.command()
@click.argument("train_source", metavar="TRAIN")
@click.argument("valid_source", metavar="VALID")
@click.option(
    "--backbone",
    default="hub:https://tfhub.dev/google/tf2-preview/inception_v3/feature_vector/4",
    show_default=True,
    help="hub:HANDLE (an address or a folder), keras:NAME (of keras.applications), or small "
    "(a small network trained from scratch, for demos).",
)
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(1))
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=1e-3, show_default=True, type=click.FloatRange(0, 10))
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option(
    "--output",
    default="checkpoints",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for checkpoints.",
)
@click.option(
    "--label", "labels", type=LabelOption(), multiple=True, help="What a class folder means."
)
def train(
    train_source: str,
    valid_source: str,
    backbone: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    output: Path,
    labels: tuple[tuple[str, int], ...],
) -> None:
    """Train a checkpoint on TRAIN, its best epoch chosen on VALID.

    Both are folders of class folders or manifests with labels.
    """
    # Deferred: TensorFlow takes seconds to import, and --help should not.
    from model.settings import data_root
    from trainer.command import describe, train_checkpoint
    from trainer.train import Recipe

    recipe = Recipe(
        backbone=backbone,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
    )
    path, card = train_checkpoint(
        (train_source, valid_source), data_root(), with_labels(labels), recipe, output
    )
    click.echo(describe(path, card))
