import click

from base.console.lazy_group import calls
from db.run_option import names_run


@click.command()
@names_run(required=False)
@calls("producer.retry:resume", keeps="what was not sent yet is still owed, and workers find it")
def command() -> None:
    """Send what RUN, or every run, still owes and nobody works on, now.

    Workers find it by themselves within half a minute; this does not wait for them.
    """
