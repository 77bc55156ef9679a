"""Loads the run that a command was asked for; exits with code 3 if it is not finished."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from report.clustering.asked import Clustering
from report.loading.read_run import LoadedRun, read_run
from report.loading.unfinished import exits_unfinished


def finished_run(
    session: Session,
    id_or_name: str | None,
    by: Sequence[str] = (),
    *,
    unique: bool = False,
    classes: str | None = None,
    clustering: Clustering | None = None,
) -> LoadedRun:
    """The run with this number or name; ends the command if some of its images are pending.

    Raises:
        NoSuchRunError: the run does not exist.
        NoSuchColumnError: no image has an attribute named in `by` or `clustering`.
        CopiesError: `unique`, and images of the same bytes have different labels.
        ClassesError: `classes`, and they or their truth are not there.
        click.exceptions.Exit: with `UNFINISHED`, after one line that says how many are pending.
    """
    with exits_unfinished():
        return read_run(
            session, id_or_name, by, unique=unique, classes=classes, clustering=clustering
        )
