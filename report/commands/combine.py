import click

from base.console.lazy_group import calls
from db.run_option import names_several_runs


@click.command(short_help="Make a run of the mean scores of several runs.")
@names_several_runs
@click.option(
    "--rank/--mean",
    help="The mean of each score's rank in its run, from 0 to 1, or of the scores.  "
    "[default: mean]",
)
@click.option("--name", required=True, help="A name for the run, to know it by.")
@calls("report.actions.combine_runs:combine_runs", keeps="nothing was stored: start it again")
def command() -> None:
    """Make a run whose scores are the means of those of several finished runs.

    \b
        report combine 1 2 --name both
        report combine 1 2 theirs --rank --name ranked
        report --run both --threshold 0.5

    Images are matched by path, or by the file's name if some of the runs are imported. An image
    that one of them has no score for is stored with the error no_score, which names that run.
    Runs that disagree about a label are refused. Ranks are for models whose scores spread
    differently; they are no probabilities, and depend on the images of the run.
    """  # noqa: D301 - click takes the character itself
