"""What `producer delete` does."""

import click

from base.console import interrupt
from base.console.foreign import shown
from base.console.telling import tell
from db.queries.deleting import close_run, delete_images, delete_run, thresholds_of
from db.queries.results import progress
from db.queries.runs import get_run
from db.session import Database, open_database


def delete(run: str, *, sure: bool) -> None:
    """Delete a run with its images, scores and errors; image files and checkpoint stay."""
    database = open_database(must_exist=True)
    with database.read() as session:
        found = get_run(session, run)
        run_id, source = found.id, found.source
        counts, chosen = progress(session, run_id), thresholds_of(session, run_id)
    thresholds = f", and {chosen} threshold(s) chosen on it," if chosen else ""
    if not sure:
        click.confirm(
            f"run {run_id} of {shown(source)}: delete {counts.listed} images with "
            f"{counts.scored} scores and {counts.unreadable} errors{thresholds} from the database?",
            abort=True,
        )
    _delete(database, run_id)
    tell(f"run {run_id}{thresholds} is deleted; image files and checkpoint are untouched")


def _delete(database: Database, run_id: int) -> None:
    with database.write() as session:
        close_run(session, run_id)
    while True:
        interrupt.keeps(f"half of run {run_id} is left: `producer delete {run_id}` goes on")
        with database.write() as session:
            if not delete_images(session, run_id):
                delete_run(session, run_id)
                interrupt.keeps(f"run {run_id} is deleted")
                return
