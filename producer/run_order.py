"""What `producer enqueue` does, and what it says meanwhile."""

import sys
from collections.abc import Iterator

import click

from db.results import Progress, progress
from db.runs import drop_checkpoint_if_unused, newest_checkpoint
from db.session import Database, open_database
from model.errors import SourceError
from model.sources import Listed
from producer.enqueue import Listing, list_into_run, publish_owed
from producer.orders import Order, choose_checkpoint, find_or_make_run
from producer.watch import wait_for_run

INTERRUPTED = 130  # exit code, as the shell gives it after Ctrl-C


def run_order(order: Order, rows: Iterator[Listed], *, wait: bool) -> None:
    """List `rows` into the order's run, publish what is owed, and say what to type next."""
    database = open_database()
    rows = _started(rows)
    with database.write() as session:
        newest = newest_checkpoint(session)
        checkpoint = choose_checkpoint(session, order.checkpoint)
        run = find_or_make_run(session, order, checkpoint)
        run_id, digest = run.id, checkpoint.digest
        is_new = newest is None or checkpoint.id > newest.id
    try:
        listing = list_into_run(database, run_id, rows, _tell_count)
    except KeyboardInterrupt:
        click.echo("\nlisting was interrupted: the same command goes on with it", err=True)
        raise SystemExit(INTERRUPTED) from None
    except SourceError:
        if is_new:  # or the next order without --checkpoint would score with it
            with database.write() as session:
                drop_checkpoint_if_unused(session, checkpoint.id)
        raise
    _end_count()
    with database.read() as session:
        counts = progress(session, run_id)
    click.echo(_summary(run_id, digest, listing, counts))
    if counts.pending:
        sent = publish_owed(database, run_id)
        click.echo(f"{sent} batches enqueued")
    if wait and counts.pending:
        counts = _wait(database, run_id)
        click.echo(f"{counts.scored} scored, {counts.unreadable} unreadable")
    click.echo(_next(run_id, counts))


def _started(rows: Iterator[Listed]) -> Iterator[Listed]:
    """The same rows, the first one read: a source that is not there makes no run."""
    first = next(rows)

    def all_of_them() -> Iterator[Listed]:
        yield first
        yield from rows

    return all_of_them()


def _tell_count(images: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{images:,} images listed", nl=False, err=True)


def _end_count() -> None:
    """Clear the line that the count stood on."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)


def _summary(run_id: int, digest: str, listing: Listing, counts: Progress) -> str:
    unlabelled = f", {listing.unlabelled} of the new without label" if listing.unlabelled else ""
    return (
        f"run {run_id}: {counts.listed} images ({listing.new} new{unlabelled}), "
        f"checkpoint {digest[:12]}; {counts.scored} scored, {counts.unreadable} unreadable, "
        f"{counts.pending} pending"
    )


def _wait(database: Database, run_id: int) -> Progress:
    try:
        return wait_for_run(database, run_id)
    except KeyboardInterrupt:
        click.echo(
            f"\nrun {run_id} goes on without this terminal: "
            f"`producer status {run_id} --watch` looks again",
            err=True,
        )
        raise SystemExit(INTERRUPTED) from None


def _next(run_id: int, counts: Progress) -> str:
    if counts.pending:
        return "next: celery -A worker worker --drain"
    return f"next: report --run {run_id} --threshold 0.23"
