from pathlib import Path

import click

from base.console.lazy_group import calls
from db.run_option import names_run
from report.options import clustering, measuring


@click.command(short_help="Write a report as one HTML file with a slider.")
@names_run(required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The HTML file to write; an existing one is replaced.",
)
@measuring
@clustering
@click.option(
    "--images",
    type=click.IntRange(0, 200),
    default=12,
    show_default=True,
    help="How many of the most confident false negatives, and false positives, to show; with 0 "
    "the page holds no image and no file name.",
)
@calls("report.actions.write_page:write_page")
def command() -> None:
    """Write RUN's report as one HTML file with a threshold slider.

    \b
        report page 3 -o report.html
        report page 3 -o report.html --threshold 0.23 --images 0

    RUN is a number or name; without it, the newest. The slider starts at the threshold. The page
    holds thumbnails and names of images under DATA_ROOT: share it only with those who may see them.
    """  # noqa: D301 - click takes the character itself
