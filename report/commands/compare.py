from pathlib import Path

import click

from base.console.click_options import format_option
from base.console.lazy_group import calls
from db.run_option import names_several_runs
from report.thresholds.threshold import FractionType, ThresholdType


@click.command(short_help="Compare runs on the same images, or on different ones.")
@names_several_runs
@click.option("--threshold-a", type=ThresholdType(), help="Threshold of A.  [default: report's]")
@click.option("--threshold-b", type=ThresholdType(), help="Threshold of B.  [default: report's]")
@click.option(
    "--margin",
    type=FractionType("0.05"),
    help="Say whether A is worse than B by less than this, such as 0.05.",
)
@click.option(
    "--unpaired",
    is_flag=True,
    help="Compare the images that only one of the runs has, as independent.  [default: if no image "
    "is in both]",
)
@click.option(
    "--cluster",
    metavar="COLUMN",
    help="Images with the same value of this column, such as lesion_id, are not independent: give "
    "intervals and tests that hold for them.",
)
@click.option("--confidence", type=FractionType("0.95"), default=0.95, show_default=True)
@format_option("text", "json", "csv", "markdown", help="csv lists the images that changed sides.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write roc_compared.png and roc_compared.svg into this folder.",
)
@calls("report.actions.compare_runs:compare_runs")
def command() -> None:
    """Compare runs, by number or name, on the labelled images that all of them scored.

    \b
        report compare recod gonzalez --output figures
        report compare 3 4 --threshold-a 0.3 --threshold-b 0.2
        report compare 3 4 5

    A is the first of two runs, B the second. DeLong's paired test compares the AUCs, and McNemar's
    exact test the answers, separately for malignant and benign images; Tango's intervals are those
    of the differences of sensitivity and specificity. A run without a threshold is compared by its
    AUC. Images are matched by path, or by the file's name if some runs are imported.

    If no image is in both runs, they are compared as independent, by DeLong's unpaired test and
    Newcombe's intervals. More than two runs are ranked by AUC, and each pair is tested, with Holm's
    correction. The exit code is 3 while images of a run are pending.
    """  # noqa: D301 - click takes the character itself
