"""`trainer show`: the tutorial's picture of a sample, and that of a run's predictions."""

from pathlib import Path

import click

from base.console.lazy_group import calls
from imaging.listing.labels import label_option
from report.thresholds.threshold import ThresholdType


@click.command(short_help="Draw 25 images with their classes or predictions.")
@click.argument("source", required=False)
@click.option("--run", help="Number or name of a run, to show its predictions.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The PNG file to write.  [default: batch.png, with --run predictions.png]",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option(
    "--threshold",
    type=ThresholdType(),
    help="With --run: malignant when score >= threshold.  [default: the one of `report "
    "choose-threshold`, or the model card's]",
)
@label_option
@calls("trainer.show:show")
def command() -> None:
    """Draw 25 random images of SOURCE with their classes, or of a run with its predictions.

    The images look as the network sees them. They must lie under DATA_ROOT.
    """
