"""The finished run that a command was asked for, or exit code 3."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from report.loading.read_run import LoadedRun, read_run
from report.loading.unfinished import exits_unfinished


def finished_run(session: Session, id_or_name: str | None, by: Sequence[str] = ()) -> LoadedRun:
    """The run of this number or name; while images of it are pending the command ends.

    Raises:
        NoSuchRunError: there is none.
        NoSuchColumnError: no image has an attribute of `by`.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    with exits_unfinished():
        return read_run(session, id_or_name, by)
