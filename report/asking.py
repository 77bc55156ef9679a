"""The finished run that a command was asked for, or exit code 3."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from db.results import progress
from db.runs import checkpoint_of, get_run
from report.read import Stored, UnfinishedRunError, read_run, require_finished

UNFINISHED = 3  # exit code


def finished_run(session: Session, wanted: str | None, by: Sequence[str] = ()) -> Stored:
    """The run of this number or name; while images of it are pending the command ends.

    Raises:
        NoSuchRunError: there is none.
        NoSuchColumnError: no image has an attribute of `by`.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    with _unfinished():
        return read_run(session, wanted, by)


def finished_origin(session: Session, wanted: str) -> tuple[int, str]:
    """The number of the run and its checkpoint's digest; as `finished_run`, but reads no score.

    Raises:
        NoSuchRunError: there is none.
        click.exceptions.Exit: as above.
    """
    run = get_run(session, wanted)
    counts = progress(session, run.id)
    with _unfinished():
        require_finished(session, run, counts.listed, counts.pending)
    return run.id, checkpoint_of(session, run).digest


@contextmanager
def _unfinished() -> Iterator[None]:
    try:
        yield
    except UnfinishedRunError as error:
        click.echo(error, err=True)
        raise click.exceptions.Exit(UNFINISHED) from None
