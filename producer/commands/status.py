import click

from base.console.click_options import format_option
from base.console.lazy_group import calls
from db.run_option import names_run


@click.command()
@names_run(required=False)
@click.option("--watch", is_flag=True, help="Live, until every image has its outcome.")
@format_option("table", "json")
@calls("producer.show:show_status", keeps="runs go on without this terminal")
def command() -> None:
    """Say how far RUN is, by number or name; all runs without one.

    With its images by outcome, images per second and time left, the workers with their last batch
    and their lease, and what blocks a run.
    """
