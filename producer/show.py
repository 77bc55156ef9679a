"""What `producer status` and `producer runs` print."""

import time

import click
from rich.live import Live

from base.console import interrupt
from base.console.telling import tell
from db.queries.runs import get_run
from db.session import Database, open_database
from producer.status import Status, read_status
from producer.status_view import as_json, as_json_list, as_list, as_tables, make_console
from producer.watch import wait_for_run, when_it_answers

# How often `--watch` reads the ledger.
WATCH_SECONDS = 2.0


def show_status(run: str | None, layout: str, *, watch: bool) -> None:
    """Print the status of one run or of all; with `watch` live, until nothing is pending."""
    if watch and layout != "table":
        raise click.UsageError("--watch is for a terminal: leave out --format")
    database = open_database(to_be_read=True)
    if layout == "table":
        tell(f"database {database}")
    if watch:
        with interrupt.unwound():  # a live view hides the cursor
            _watch(database, run)
        return
    status = _read(database, run)
    if layout == "json":
        click.echo(as_json(status, str(database)))
    else:
        make_console().print(as_tables(status, details=run is not None))


def show_runs(layout: str) -> None:
    """Print a line for each run."""
    database = open_database(to_be_read=True)
    with database.read() as session:
        runs = read_status(session, None, None).runs
    if layout == "json":
        click.echo(as_json_list(runs))
    else:
        make_console().print(as_list(runs))


def _watch(database: Database, run: str | None) -> None:
    console = make_console()
    if run is not None or not console.is_terminal:
        # A single run has a bar; a pipe gets lines, about the newest run if none is named.
        with database.read() as session:
            run_id = get_run(session, run).id
        wait_for_run(database, run_id)
        console.print(as_tables(_read(database, str(run_id)), details=True))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            status = when_it_answers(
                lambda: _read(database, None), lambda line: tell(line, err=True)
            )
            live.update(as_tables(status, details=False), refresh=True)
            if not any(run_status.counts.pending for run_status in status.runs):
                return
            time.sleep(WATCH_SECONDS)


def _read(database: Database, run: str | None) -> Status:
    with database.read() as session:
        status = read_status(session, run, None)
        if not any(run_status.stuck and run_status.counts.pending for run_status in status.runs):
            return status
        # Only now: asking the broker imports Celery, and takes seconds if it is away.
        return read_status(session, run, _broker_fault())


def _broker_fault() -> str | None:
    from worker.broker.address import BrokerError  # deferred: Celery, only for a stuck run
    from worker.publish import require_broker

    try:
        require_broker()
    except BrokerError as error:
        return error.message
    return None
