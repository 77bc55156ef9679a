"""`report thresholds`: what was chosen, and which the next report takes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from base.console.telling import tell

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from report.loading.kept_thresholds import Kept
    from report.section import Section

_LARGEST = 2**31 - 1  # number of a row
_UNLESS = "unless --threshold is given"
_NEEDS = "so give one, such as --threshold 0.23, or choose one with `report choose-threshold`"


@click.command
@click.option(
    "--forget",
    metavar="NUMBER",
    type=click.IntRange(1, _LARGEST),
    help="Delete this one; reports then use the one chosen before it, or else the model card's.",
)
def command(forget: int | None) -> None:
    """List the chosen thresholds, or forget one.

    Each is listed with its run and day, and the last line says which one the next report uses.

    \b
        report thresholds
        report thresholds --forget 2
    """  # noqa: D301 - click takes the character itself
    if forget is not None:
        for line in _forget(forget):
            tell(line)
        return
    from report.render.text import render_parts

    click.echo(render_parts(_listed(), terminal=sys.stdout.isatty()))


def _listed() -> list[str | Section]:
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.errors import NoSuchRunError
    from db.queries.runs import get_run
    from db.session import open_database
    from report.loading.kept_thresholds import in_use, section

    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        found = _kept(session)
        try:
            newest = get_run(session)
        except NoSuchRunError:
            newest = None
    tables = [table for one in found if (table := section(one)) is not None]
    if newest is None:
        return ["there is no run yet", *tables]
    (of_newest,) = (one for one in found if one.checkpoint.checkpoint_id == newest.checkpoint_id)
    taken = in_use(of_newest)
    which = f"it takes threshold {taken}" if taken else "no threshold is kept for it"
    return [
        f"the next report is of run {newest.id}: {which}, {_UNLESS if taken else _NEEDS}",
        *tables,
    ]


def _forget(number: int) -> tuple[str, str]:
    from contextlib import closing  # deferred, as above

    from db.queries.report.thresholds import forget_threshold
    from db.session import open_database
    from report.loading.kept_thresholds import described, in_use

    with closing(open_database(must_exist=True)) as database, database.write() as session:
        forgotten = forget_threshold(session, number)
        if forgotten is None:
            raise click.ClickException(
                f"there is no threshold {number}: `report thresholds` lists them"
            )
        found = _kept(session)
    (left,) = (one for one in found if one.checkpoint.checkpoint_id == forgotten.checkpoint_id)
    taken = in_use(left)
    now = f"they take {taken}, {_UNLESS}" if taken else f"no threshold is kept, {_NEEDS}"
    return f"forgotten: {described(forgotten)}", f"reports of {left} from now on: {now}"


def _kept(session: Session) -> list[Kept]:
    from db.queries.report.thresholds import all_chosen, choosers  # deferred, as above
    from report.loading.kept_thresholds import kept

    return kept(choosers(session), all_chosen(session))
