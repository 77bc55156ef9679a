import click

from base.console.click_options import format_option
from base.console.lazy_group import calls


@click.command()
@format_option("table", "json")
@calls("producer.show:show_runs", keeps="runs go on without this terminal")
def command() -> None:
    """List all runs."""
