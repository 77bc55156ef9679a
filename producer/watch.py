"""The live progress of a run, for `enqueue --wait` and `status --watch`."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from sqlalchemy.orm import Session

from base.console.foreign import for_terminal
from base.console.telling import tell
from db.errors import DatabaseAwayError
from db.queries.refusals import is_refused_by_all, refusals_of
from db.queries.results import Progress, progress, throughput
from db.queries.runs import run_by_id
from db.queries.status import work_on
from db.queries.workers import alive
from db.session import Database
from db.throughput import seconds_left
from producer.diagnosis import START_ONE, refusal
from producer.status_view import duration
from worker.timing import DATABASE_REMINDER_SECONDS

POLL_SECONDS = 0.5
PLAIN_LINE_SECONDS = 10.0
# After this long without an outcome a note is shown.
SILENCE_SECONDS = 30.0
NO_WORKER = f"no worker answers: {START_ONE}"

T = TypeVar("T")


class RunRefusedError(click.ClickException):
    """No living worker will score the run; the message says why."""


class Snapshot(NamedTuple):
    """A run at one moment; `refused` says why no worker will score it, if that is so."""

    counts: Progress
    rate: float
    is_alone: bool
    refused: str | None

    @property
    def done(self) -> int:
        """The number of images that have their outcome."""
        return self.counts.listed - self.counts.pending

    @property
    def left(self) -> str:
        """The time left, in words."""
        return duration(seconds_left(self.counts.pending, self.rate))


class Shown(Protocol):
    """Shows the progress."""

    def show(self, snapshot: Snapshot) -> None:
        """Show how far the run is."""

    def say(self, line: str) -> None:
        """Show a note on its own line."""


def wait_for_run(database: Database, run_id: int) -> Progress:
    """Show progress until every image of the run has its outcome; a bar, or plain lines.

    Raises:
        NoSuchRunError: the run was deleted meanwhile.
        RunRefusedError: every living worker refuses it.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        return _poll(database, run_id, _PlainLines())
    columns = (
        TextColumn("run {task.fields[run]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} images/s"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=console) as bar:
        return _poll(database, run_id, _LiveBar(bar, run_id))


def when_it_answers(ask: Callable[[], T], say: Callable[[str], None]) -> T:
    """The result of `ask`, asked again while the database is away: workers wait for it, too."""
    said_at = -math.inf
    while True:
        try:
            result = ask()
        except DatabaseAwayError as error:
            if time.monotonic() > said_at + DATABASE_REMINDER_SECONDS:
                say(f"{error.message}; waiting for it")
                said_at = time.monotonic()
            time.sleep(POLL_SECONDS)
        else:
            if said_at > -math.inf:
                say("the database answers again")
            return result


def _poll(database: Database, run_id: int, shown: Shown) -> Progress:
    said, pending, changed = "", -1, time.monotonic()
    while True:
        began = time.monotonic()
        snapshot = when_it_answers(lambda: _look(database, run_id), shown.say)
        if snapshot.refused is not None:
            raise RunRefusedError(f"run {run_id}: {snapshot.refused}")
        if snapshot.counts.pending != pending:
            pending, changed = snapshot.counts.pending, began
        note = _note(snapshot, run_id, began - changed)
        if note and note != said:
            shown.say(note)
        said = note
        shown.show(snapshot)
        if not snapshot.counts.pending:
            return snapshot.counts
        # Counting a large run takes a while: leave nine tenths of the time to the database.
        time.sleep(max(POLL_SECONDS, 9 * (time.monotonic() - began)))


def _look(database: Database, run_id: int) -> Snapshot:
    with database.read() as session:
        counts = progress(session, run_id)
        if not counts.listed:
            run_by_id(session, run_id)  # it may have been deleted meanwhile
        # A worker of an older release is known only by its leases.
        held = work_on(session, run_id).held
        is_alone = not alive(session) and not held
        refused = _why_refused(session, run_id, held) if counts.pending else None
        return Snapshot(counts, throughput(session, run_id), is_alone, refused)


def _why_refused(session: Session, run_id: int, held: int) -> str | None:
    found = refusals_of(session, run_id)
    if not found or not is_refused_by_all(session, found, held):
        return None
    return refusal(found, by_all=True)


def _note(snapshot: Snapshot, run_id: int, silent: float) -> str:
    """A note for the person who waits; empty while there is progress."""
    if not snapshot.counts.pending:
        return ""
    if snapshot.is_alone:
        return NO_WORKER
    if silent > SILENCE_SECONDS:
        return f"nothing new for {SILENCE_SECONDS:.0f} s: see `producer status {run_id}`"
    return ""


class _LiveBar:
    """A bar for a terminal; notes go above it."""

    def __init__(self, bar: Bar, run_id: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", run=run_id, rate=0.0, left="", total=None)

    def show(self, snapshot: Snapshot) -> None:
        self._bar.update(
            self._task,
            total=snapshot.counts.listed,
            completed=snapshot.done,
            rate=snapshot.rate,
            left=snapshot.left,
        )

    def say(self, line: str) -> None:
        self._bar.console.print(for_terminal(line), markup=False, highlight=False)


class _PlainLines:
    """A line every ten seconds, for logs and pipes."""

    def __init__(self) -> None:
        self._shown_at = 0.0

    def show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if snapshot.counts.pending and now < self._shown_at + PLAIN_LINE_SECONDS:
            return
        self._shown_at = now
        left = f", {snapshot.left} left" if snapshot.left else ""
        images = f"{snapshot.done} of {snapshot.counts.listed} images"
        tell(f"{images}, {snapshot.rate:.1f} images/s{left}", err=True)

    def say(self, line: str) -> None:
        tell(line, err=True)
