"""Runs with their counts, as a table."""

from datetime import datetime

from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from db.results import errors, pace, progress
from db.runs import all_runs, checkpoint_of, get_run
from db.tables import Checkpoint, Run

# Wide enough that no file name is folded in a log.
PLAIN_WIDTH = 140


def print_status(session: Session, run: str | None) -> None:
    """One line for the run, or for each run, oldest first."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    runs = all_runs(session) if run is None else [get_run(session, run)]
    if not runs:
        console.print("no run yet: start one with `producer enqueue SOURCE`", markup=False)
        return
    table = Table("run", "source", "checkpoint", "begun", box=None, pad_edge=False)
    for heading in ("images", "scored", "unreadable", "pending", "images/s"):
        table.add_column(heading, justify="right")
    for one in runs:
        table.add_row(*_row(session, one))
    console.print(table)
    if run is not None:
        for code, count in errors(session, runs[0].id).items():
            console.print(f"  {count} {code}", markup=False)


def _row(session: Session, run: Run) -> list[str]:
    counts, recent = progress(session, run.id), pace(session, run.id)
    rate = f"{recent.images / recent.seconds:.1f}" if counts.pending and recent.seconds else ""
    begun = datetime.fromtimestamp(run.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
    return [
        f"{run.id} {run.name or ''}".rstrip(),
        run.source,
        _checkpoint(checkpoint_of(session, run)),
        begun,
        *map(str, counts),
        rate,
    ]


def _checkpoint(checkpoint: Checkpoint) -> str:
    # A digest here is one that `producer enqueue` could be given the file of.
    return "imported" if checkpoint.imported else checkpoint.digest[:12]
