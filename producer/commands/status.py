"""`producer status`: how far runs are."""

import click

from base.console.lazy_group import calls
from db.run_option import names_run
from producer.options import RUNS_GO_ON, layout_option


@click.command()
@names_run(required=False)
@click.option("--watch", is_flag=True, help="Live, until every image has its outcome.")
@layout_option
@calls("producer.show:show_status", keeps=RUNS_GO_ON)
def command() -> None:
    """Say how far RUN is, by number or name; all runs without one.

    With its images by outcome, images per second and time left, the workers with their last batch
    and their lease, and what keeps a run from getting on.
    """
