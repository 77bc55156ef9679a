import click

from base.console.lazy_group import calls
from db.run_option import names_run


@click.command(short_help="Delete a run with its images, scores and errors.")
@names_run(required=True)
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@calls(
    "producer.delete:delete", keeps="`producer delete {run}` begins again, or goes on with the rest"
)
def command() -> None:
    """Delete RUN, by number or name: its images, scores and errors in the database.

    Image files and the checkpoint stay. It cannot be taken back.
    """
