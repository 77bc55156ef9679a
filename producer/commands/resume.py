import click

from base.console.lazy_group import calls
from db.run_option import names_run


@click.command()
@names_run(required=False)
@calls(
    "producer.retry:resume",
    keeps="batches that were not sent stay unfinished, and workers find them",
)
def command() -> None:
    """Send again what is unfinished in RUN, or in all runs.

    That is every batch that no worker holds. Workers find these batches by themselves within half a
    minute; this does not wait for that.
    """
