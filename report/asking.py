"""The finished run that a command was asked for, or exit code 3."""

import click
from sqlalchemy.orm import Session

from report.read import Stored, UnfinishedRunError, read_run

UNFINISHED = 3  # exit code


def finished_run(session: Session, wanted: str | None) -> Stored:
    """The run of this number or name; while images of it are pending the command ends.

    Raises:
        NoSuchRunError: there is none.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    try:
        return read_run(session, wanted)
    except UnfinishedRunError as error:
        click.echo(error, err=True)
        raise click.exceptions.Exit(UNFINISHED) from None
