"""How far a run is, live: for `enqueue --wait` and `status --watch`."""

import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from db.results import Progress as Counts
from db.results import pace, progress
from db.runs import run_by_number
from db.session import Database

POLL_SECONDS = 0.5
PLAIN_LINE_SECONDS = 10.0
# Without an outcome for this long, a person wonders whether any worker is there.
SILENCE_SECONDS = 30.0


def wait_for_run(database: Database, run_id: int) -> Counts:
    """Show progress until every image of the run has its outcome; a bar, or plain lines.

    Raises:
        NoSuchRunError: the run was deleted meanwhile.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        return _poll(database, run_id, _PlainLines())
    columns = (
        TextColumn("run {task.fields[run]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} images/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", run=run_id, rate=0.0, note="", total=None)

        def show(counts: Counts, rate: float, note: str) -> None:
            done = counts.listed - counts.pending
            bar.update(task, total=counts.listed, completed=done, rate=rate, note=note)

        return _poll(database, run_id, show)


def _poll(database: Database, run_id: int, show: Callable[[Counts, float, str], None]) -> Counts:
    pending, changed = -1, time.monotonic()
    while True:
        began = time.monotonic()
        with database.read() as session:
            counts, recent = progress(session, run_id), pace(session, run_id)
            if not counts.listed:
                run_by_number(session, run_id)  # it may have been deleted meanwhile
        if counts.pending != pending:
            pending, changed = counts.pending, began
        silent = began - changed > SILENCE_SECONDS
        note = "no worker answers: start one with `celery -A worker worker`" if silent else ""
        show(counts, recent.images / recent.seconds if recent.seconds else 0.0, note)
        if not counts.pending:
            return counts
        # Counting a large run takes a while: leave the database nine tenths of its time.
        time.sleep(max(POLL_SECONDS, 9 * (time.monotonic() - began)))


class _PlainLines:
    """A line every ten seconds, for logs and pipes."""

    def __init__(self) -> None:
        self._shown_at = 0.0

    def __call__(self, counts: Counts, rate: float, note: str) -> None:
        now = time.monotonic()
        if counts.pending and now < self._shown_at + PLAIN_LINE_SECONDS:
            return
        self._shown_at = now
        left = f", {counts.pending / rate:.0f} s left" if rate and counts.pending else ""
        done = counts.listed - counts.pending
        click.echo(
            f"{done} of {counts.listed} images, {rate:.1f} images/s{left} {note}".rstrip(), err=True
        )
