from pathlib import Path

import click

from base.console.lazy_group import calls
from imaging.listing.labels import label_option
from imaging.listing.selection import exclude_option
from imaging.listing.tables.manifest_options import manifest_options
from trainer.options import RECIPES, recipe_options


@click.command()
@click.argument("train_source", metavar="TRAIN")
@click.argument("valid_source", metavar="VALID")
@click.option(
    "--recipe",
    "recipe_name",
    default="tutorial",
    show_default=True,
    type=click.Choice(sorted(RECIPES)),
    help="Sets several of the options below; options that are given take precedence.",
)
@recipe_options
@click.option(
    "--target-sensitivity",
    type=click.FloatRange(0, 1, min_open=True),
    help="Store the threshold with this sensitivity on VALID in the model card.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted training.")
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
@manifest_options
@label_option
@exclude_option
@calls("trainer.train:train")
def command() -> None:
    """Train a checkpoint on TRAIN and choose its best epoch on VALID.

    Both are folders of class folders or manifests with labels.
    """
