"""Checks that a run is finished, without loading the libraries for figures."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from base.console.shell import typed
from base.console.telling import tell
from db.queries.refusals import why_stopped
from db.queries.results import progress, staged
from db.queries.resuming import enqueue_again
from db.queries.runs import checkpoint_of, get_run
from db.tables import Run
from report.classes import classes_of

UNFINISHED = 3  # exit code


class UnfinishedRunError(Exception):
    """A run is unfinished: its figures would describe only the images scored so far."""


@contextmanager
def exits_unfinished() -> Iterator[None]:
    """Turn UnfinishedRunError into one printed line and the exit code `UNFINISHED`."""
    try:
        yield
    except UnfinishedRunError as error:
        tell(error, err=True)
        raise click.exceptions.Exit(UNFINISHED) from None


def finished_origin(session: Session, id_or_name: str) -> tuple[int, str, tuple[str, ...]]:
    """The number of a finished run, and the digest and the classes of its checkpoint.

    Raises:
        NoSuchRunError: no run has this number or name.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    run = get_run(session, id_or_name)
    counts = progress(session, run.id)
    with exits_unfinished():
        require_finished(session, run, counts.listed, counts.pending)
    checkpoint = checkpoint_of(session, run)
    return run.id, checkpoint.digest, classes_of(checkpoint.card)


def require_finished(session: Session, run: Run, images: int, waiting: int) -> None:
    """Refuse a run without images, or with images that are `waiting` for their prediction.

    Raises:
        UnfinishedRunError: the message says what to do.
    """
    if images and not waiting:
        return
    pending = f"run {run.id}: {waiting} of {images} images are pending"
    if not images or staged(session, run.id):
        words = enqueue_again(session, run)
        again = (
            f"run `producer enqueue {typed(*words)}` again"
            if words
            else "enqueue them as a new run"
        )
        raise UnfinishedRunError(
            f"{pending} because their listing was interrupted: {again}, "
            "and report when they are scored"
        )
    stopped = why_stopped(session, [run.id])
    if stopped:
        raise UnfinishedRunError(f"{pending}: the run was stopped: {stopped[run.id]}")
    raise UnfinishedRunError(
        f"{pending}: report when they are scored; if no worker is at work, start one with "
        "`celery -A worker worker`"
    )
