"""A status as tables for a terminal, or as JSON."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from base.console.foreign import for_terminal, shown
from db.queries.status import WorkerState
from db.views import in_words
from producer.diagnosis import slowness
from producer.status import RunStatus, Status

# Wide enough for file names in a log.
PLAIN_WIDTH = 140
# In narrower terminals a status has no checkpoint and date; `producer runs` shows them.
_NARROW = 100
NO_RUN = "no run yet: start one with `producer enqueue SOURCE`"


def make_console() -> Console:
    """A console for the terminal, or a wide one for a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def as_tables(status: Status, *, details: bool) -> RenderableType:
    """The runs, what blocks them, and the workers; with `details` also the errors of each run."""
    if not status.runs:
        return Text(NO_RUN)
    parts: list[RenderableType] = [_Runs(status.runs)]
    for run in status.runs:
        if details:
            parts += [_line(f"  {count} {code}") for code, count in run.errors.items()]
        reasons = [*run.stuck, *slowness(run.precision, run.speeds)]
        parts += [_line(f"run {run.run}: {reason}", style="yellow") for reason in reasons]
    if status.workers:
        parts += [Text(), _workers(status.workers)]
    return Group(*parts)


def as_json(status: Status, database: str) -> str:
    """The whole status of the ledger at this address; docs/reference/json.md has its keys."""
    return json.dumps(
        {
            "database": database,
            "runs": [_run_json(run) for run in status.runs],
            "workers": [worker._asdict() for worker in status.workers],
        },
        indent=2,
    )


def as_json_list(runs: Iterable[RunStatus]) -> str:
    """The runs alone, with the same keys."""
    return json.dumps([_run_json(run) for run in runs], indent=2)


def as_list(runs: Iterable[RunStatus]) -> RenderableType:
    """One line for each run, for `producer runs`."""
    table = _table("run", "name", "source", "checkpoint", "precision", "begun", "images", "state")
    for run in runs:
        table.add_row(
            str(run.run),
            _name(run.name or ""),
            _name(run.source),
            run.checkpoint[:12],
            _with_views(run.precision, run),
            _when(run.begun),
            str(run.counts.listed),
            _state(run),
        )
    return table


def _run_json(run: RunStatus) -> dict[str, Any]:
    fields = run._asdict()
    counts = fields.pop("counts")._asdict()
    refused = [
        {"worker": refusal.worker, "reason": refusal.reason, "seconds_ago": refusal.seconds_ago}
        for refusal in run.refused
    ]
    speeds = [
        {
            "host": speed.host,
            "device": speed.device,
            "images_per_second": speed.rates.rate,
            "float32_images_per_second": speed.rates.float32_rate,
            "seconds_ago": speed.seconds_ago,
        }
        for speed in run.speeds
    ]
    left = run.seconds_left
    return {**fields, **counts, "refused": refused, "speeds": speeds, "seconds_left": left}


class _Runs:
    """The table of runs, fitted to the console's width."""

    def __init__(self, runs: Sequence[RunStatus]) -> None:
        self._runs = runs

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield _runs(self._runs, narrow=options.max_width < _NARROW)


def _runs(runs: Iterable[RunStatus], *, narrow: bool) -> Table:
    table = _table("run", "source", *([] if narrow else ["checkpoint", "begun"]))
    for heading in ("images", "scored", "unreadable", "pending", "images/s", "left"):
        table.add_column(heading, justify="right", overflow="fold")
    for run in runs:
        pending = run.counts.pending
        table.add_row(
            _line(f"{run.run} {shown(run.name or '')}".rstrip()),
            _name(run.source),
            *([] if narrow else [_with_views(run.checkpoint[:12], run), _when(run.begun)]),
            *map(str, run.counts),
            f"{run.images_per_second:.1f}" if pending and run.images_per_second else "",
            duration(run.seconds_left),
        )
    return table


def _workers(workers: Iterable[WorkerState]) -> Table:
    table = _table("worker", "is", "finished last", "ago", "works on", "lease")
    for worker in workers:
        table.add_row(
            _name(worker.name),
            "alive" if worker.alive else "ended",
            worker.finished or "",
            duration(worker.finished_seconds_ago),
            ", ".join(worker.held),
            duration(worker.lease_seconds),
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _name(name: str) -> Text:
    return Text(shown(name))


def _line(words: str, style: str = "") -> Text:
    return Text(for_terminal(words), style=style)


def _with_views(what: str, run: RunStatus) -> str:
    return ", ".join(filter(None, (what, in_words(run.views))))


def _state(run: RunStatus) -> str:
    if run.counts.pending:
        return f"{run.counts.pending} pending"
    return "finished" if run.counts.listed else "empty"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """A duration in words; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
