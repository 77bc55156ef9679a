from pathlib import Path

import click

from base.console.lazy_group import calls

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("scores", metavar="CSV", type=_FILE)
@click.option("--truth", required=True, type=_FILE, help="CSV of ids, labels and attributes.")
@click.option("--name", required=True, help="A name for the run, to know it by.")
@click.option("--id", "id_column", metavar="COLUMN", help="The image's id, in both files.")
@click.option("--score", "score_column", metavar="COLUMN", help="The score of CSV, in [0, 1].")
@click.option(
    "--label",
    "labels",
    metavar="COLUMN|VALUE=0|1|none",
    multiple=True,
    help="The column of labels in the truth; and what a value in it means, if it is neither 1 nor "
    "0 nor a known word: --label dx --label mel=1 --label nv=0.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Which model the scores are of: a threshold chosen on one import is prespecified for "
    "others of the same model.",
)
@calls("report.actions.import_run:import_run", keeps="nothing was stored: start it again")
def command() -> None:
    """Make a run from scores that another program computed.

    \b
        report import-scores scores.csv --truth truth.csv --name recod
        report --run recod --threshold 0.5

    Columns are found by their usual names, such as ISIC's image_id and melanoma, and diagnoses of
    known data sets, such as HAM10000's dx, by their header. Every other column of the truth
    becomes an attribute, and of CSV those that are no fractions. If a row is bad, an error names
    its line and nothing is stored. An image of the truth without a score is stored with the error
    no_score.
    """  # noqa: D301 - click takes the character itself
