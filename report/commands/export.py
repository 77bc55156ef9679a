from pathlib import Path

import click

from base.console.click_options import format_option
from base.console.lazy_group import calls
from db.run_option import names_run


@click.command(short_help="Write the predictions of a run.")
@names_run(required=True)
@format_option("csv", "parquet", "isic")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, standard output, which takes no Parquet.",
)  # fmt: skip
@calls("report.actions.export_run:export_run")
def command() -> None:
    """Write the predictions of RUN, by number or name.

    \b
        report export 3 -o predictions.csv
        report export 3 --format parquet -o predictions.parquet
        report export 3 --format isic -o submission.csv

    A text cell that a spreadsheet would run as a formula begins with an apostrophe. The exit code
    is 3 while images of the run are pending.
    """  # noqa: D301 - click takes the character itself
