"""`producer runs`: a line for each run."""

import click

from base.console.lazy_group import calls
from producer.options import RUNS_GO_ON, layout_option


@click.command()
@layout_option
@calls("producer.show:show_runs", keeps=RUNS_GO_ON)
def command() -> None:
    """List all runs."""
