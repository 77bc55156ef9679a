from pathlib import Path

import click

from base.console.lazy_group import calls
from db.run_option import RUN_HELP
from imaging.listing.labels import label_option
from imaging.listing.tables.manifest_options import manifest_options
from report.thresholds.threshold import ThresholdType


@click.command(short_help="Draw 25 images with their classes or predictions.")
@click.argument("source", metavar="[SOURCE | RUN]", required=False)
@click.option("--run", metavar="RUN", help=RUN_HELP)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The PNG file to write.  [default: batch.png, of a RUN predictions.png]",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(0, 2**32 - 1))
@click.option(
    "--threshold",
    type=ThresholdType(),
    help="Of a RUN: malignant when score >= threshold.  [default: the one of `report "
    "choose-threshold`, or the model card's]",
)
@manifest_options
@label_option
@calls("trainer.show:show")
def command() -> None:
    """Draw 25 random images of SOURCE with their classes, or of RUN with its predictions.

    RUN is a number or name, unless a file or folder has that name. The images are shown as the
    network sees them. They must be under DATA_ROOT.
    """
