"""The command `trainer`. Imports wait until they are needed: --help answers at once."""

from pathlib import Path
from typing import Any

import click

from base.console import interrupt
from base.console.terminal import Program
from imaging.listing.labels import label_option, with_labels
from report.thresholds.threshold import ThresholdType
from trainer.cache import cache
from trainer.download import download
from trainer.manifest import manifest
from trainer.options import RECIPES, recipe_options, recipe_values
from trainer.show import show


@click.group(cls=Program)
def main() -> None:
    """Make the checkpoints that workers score with."""
    interrupt.keeps("the same command begins again")


for command in (cache, download, manifest, show):
    main.add_command(command)


@main.command(short_help="Say what a checkpoint is worth, without queue or ledger.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("source")
@click.option("--threshold", type=ThresholdType(), help="Default: the model card's.")
@label_option
def evaluate(
    checkpoint: Path,
    source: str,
    threshold: float | None,
    labels: tuple[tuple[str, int], ...],
) -> None:
    """Say what CHECKPOINT is worth on SOURCE, in this process, without queue or ledger."""
    # Deferred: TensorFlow takes seconds to import, and --help should not.
    from imaging.data_root import data_folder
    from trainer.evaluate import evaluate_checkpoint

    click.echo(
        evaluate_checkpoint(checkpoint, source, data_folder(), with_labels(labels), threshold)
    )


@main.command()
@click.argument("train_source", metavar="TRAIN")
@click.argument("valid_source", metavar="VALID")
@click.option(
    "--recipe",
    "recipe_name",
    default="tutorial",
    show_default=True,
    type=click.Choice(sorted(RECIPES)),
    help="Sets several of the options below; those given beside it go first.",
)
@recipe_options
@click.option(
    "--target-sensitivity",
    type=click.FloatRange(0, 1, min_open=True),
    help="Put the operating point of this sensitivity on VALID into the model card.",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training.")
@click.option(
    "--output",
    default="checkpoints",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for checkpoints.",
)
@click.option(
    "--logs",
    default="logs",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for TensorBoard.",
)
@label_option
@click.pass_context
def train(
    context: click.Context,
    /,
    train_source: str,
    valid_source: str,
    recipe_name: str,
    target_sensitivity: float | None,
    resume: bool,
    output: Path,
    logs: Path,
    labels: tuple[tuple[str, int], ...],
    **values: Any,  # noqa: ANN401 - the options of the recipe
) -> None:
    """Train a checkpoint on TRAIN, its best epoch chosen on VALID.

    Both are folders of class folders or manifests with labels.
    """
    # Deferred: TensorFlow takes seconds to import, and --help should not.
    from imaging.data_root import data_folder
    from trainer.command import train_checkpoints
    from trainer.training.recipe import Recipe
    from trainer.training.saving import Order, describe

    recipe = Recipe(**recipe_values(context, recipe_name, values))
    order = Order(train_source, valid_source, recipe, output, logs, target_sensitivity, resume)
    with interrupt.unwound():
        saved = train_checkpoints(order, data_folder(), with_labels(labels))
    click.echo(describe(saved))
