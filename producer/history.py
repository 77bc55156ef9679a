"""What `producer history` prints."""

import json
from datetime import datetime

import click
from rich.table import Table

from base.console.telling import tell
from db.queries.history import history
from db.queries.runs import get_run
from db.session import open_database
from producer.status_view import make_console


def show_history(run: str | None, layout: str) -> None:
    """Print the changes of a run, oldest first."""
    database = open_database(to_be_read=True)
    with database.read() as session:
        run_id = get_run(session, run).id
        events = history(session, run_id)
    if layout == "json":
        click.echo(json.dumps([event._asdict() for event in events], indent=2))
        return
    if not events:
        tell(f"run {run_id}: no change is recorded; a release before this one enqueued it")
        return
    table = Table("when", "what", box=None, pad_edge=False)
    table.add_column("images", justify="right")
    for event in events:
        when = datetime.fromtimestamp(event.at).astimezone()
        table.add_row(f"{when:%Y-%m-%d %H:%M:%S}", event.what, str(event.images))
    make_console().print(table)
