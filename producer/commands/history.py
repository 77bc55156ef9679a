import click

from base.console.click_options import format_option
from base.console.lazy_group import calls
from db.run_option import names_run


@click.command()
@names_run(required=False)
@format_option("table", "json")
@calls("producer.history:show_history", keeps="the ledger is as it was")
def command() -> None:
    """Say what was changed in RUN, when, and how many images it was."""
