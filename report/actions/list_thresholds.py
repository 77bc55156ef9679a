"""What `report thresholds` does: list the chosen thresholds and the one the next report uses."""

import sys
from contextlib import closing

import click
from sqlalchemy.orm import Session

from base.console.telling import tell
from db.errors import NoSuchRunError
from db.queries.report.thresholds import all_chosen, choosers, forget_threshold
from db.queries.runs import get_run
from db.session import open_database
from db.views import in_words
from report.loading.kept_thresholds import (
    CheckpointThresholds,
    described,
    in_use,
    thresholds_by_checkpoint,
    thresholds_table,
)
from report.render.text import render_parts
from report.table import Table

_UNLESS = "unless --threshold is given"
_NEEDS = "so give one, such as --threshold 0.23, or choose one with `report choose-threshold`"


def list_thresholds(forget: int | None) -> None:
    """List the chosen thresholds, or forget one."""
    if forget is None:
        click.echo(render_parts(_listed(), terminal=sys.stdout.isatty()))
        return
    for line in _forget(forget):
        tell(line)


def _listed() -> list[str | Table]:
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        found = _read_all(session)
        try:
            newest = get_run(session)
        except NoSuchRunError:
            newest = None
    # Imports of one model have the same thresholds, which are listed once.
    each = {str(kept): kept for kept in found}.values()
    tables = [table for kept in each if (table := thresholds_table(kept)) is not None]
    if newest is None:
        return ["there is no run yet", *tables]
    (of_newest,) = (kept for kept in found if kept.checkpoint.checkpoint_id == newest.checkpoint_id)
    taken = in_use(of_newest, newest.views)
    which = f"it takes threshold {taken}" if taken else "no threshold is kept for it"
    return [
        f"the next report is of run {newest.id}: {which}, {_UNLESS if taken else _NEEDS}",
        *tables,
    ]


def _forget(number: int) -> tuple[str, str]:
    with closing(open_database(must_exist=True)) as database, database.write() as session:
        forgotten = forget_threshold(session, number)
        if forgotten is None:
            raise click.ClickException(
                f"there is no threshold {number}: `report thresholds` lists them"
            )
        found = _read_all(session)
    (remaining,) = (
        kept for kept in found if kept.checkpoint.checkpoint_id == forgotten.checkpoint_id
    )
    taken = in_use(remaining, forgotten.views)
    now = f"they take {taken}, {_UNLESS}" if taken else f"no threshold is kept, {_NEEDS}"
    views = in_words(forgotten.views)
    reports = f"reports of {remaining}{f' with {views}' if views else ''}"
    return f"forgotten: {described(forgotten)}", f"{reports} from now on: {now}"


def _read_all(session: Session) -> list[CheckpointThresholds]:
    return thresholds_by_checkpoint(choosers(session), all_chosen(session))
