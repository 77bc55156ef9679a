"""The finished run that a command was asked for, or exit code 3."""

from collections.abc import Sequence

import click
from sqlalchemy.orm import Session

from report.read import Stored, UnfinishedRunError, read_run

UNFINISHED = 3  # exit code


def finished_run(session: Session, wanted: str | None, by: Sequence[str] = ()) -> Stored:
    """The run of this number or name; while images of it are pending the command ends.

    Raises:
        NoSuchRunError: there is none.
        NoSuchColumnError: no image has an attribute of `by`.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    try:
        return read_run(session, wanted, by)
    except UnfinishedRunError as error:
        click.echo(error, err=True)
        raise click.exceptions.Exit(UNFINISHED) from None
