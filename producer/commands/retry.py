from typing import get_args

import click

from base.console.lazy_group import calls
from db.run_option import names_run
from imaging.errors import ErrorCode


@click.command(short_help="Clear errors of a run and score their images again.")
@names_run(required=False)
@click.option(
    "--error",
    "codes",
    multiple=True,
    required=True,
    metavar="CODE",
    type=click.Choice(get_args(ErrorCode)),
    help="An error as `producer status RUN` names it; may be given again.",
)
@calls(
    "producer.retry:retry",
    keeps="errors are cleared all or none, and workers find the reopened batches",
)
def command() -> None:
    """Clear errors of RUN (the newest without one) and score their images again."""
