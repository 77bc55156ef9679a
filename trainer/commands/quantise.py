from pathlib import Path

import click

from base.console.lazy_group import calls
from imaging.listing.labels import label_option
from imaging.listing.tables.manifest_options import manifest_options


@click.command(short_help="Make an int8 checkpoint, several times as fast on a CPU.")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("source", metavar="IMAGES")
@click.option(
    "-o",
    "--output",
    metavar="OUT.keras",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The checkpoint to write; none is overwritten.  [default: NAME-int8.keras next to it]",
)
@click.option(
    "--valid",
    metavar="SOURCE",
    help="Compare the scores with the float32 checkpoint's on these images, and keep the figures "
    "in the model card.",
)
@click.option(
    "--fit-head",
    metavar="TRAIN",
    help="Fit the head anew on the int8 features of these labelled images, by the recipe of the "
    "card; needs a labelled --valid.",
)
@click.option(
    "--subset",
    default=300,
    show_default=True,
    type=click.IntRange(1, 5000),
    help="Measure the ranges on at most so many of IMAGES, drawn with --seed.",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**32 - 1))
@manifest_options
@label_option
@calls("trainer.quantise:quantise", keeps="nothing was written: start it again")
def command() -> None:
    """Make a checkpoint of CHECKPOINT whose backbone computes in int8, by OpenVINO.

    IMAGES, a folder or manifest, with or without labels, show what ranges the numbers inside the
    network have: take training images, never those that are to be analysed. The head stays in
    float32.
    """
