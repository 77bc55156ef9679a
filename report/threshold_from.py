"""The threshold that was chosen on another run, for `--threshold-from`."""

import click
from sqlalchemy.orm import Session

from base.console.foreign import shown
from db.queries.report.thresholds import chosen_on
from db.queries.runs import get_run
from report.loading.read_run import LoadedRun, chosen_as, overlap_with


class NoThresholdThereError(click.ClickException):
    """No threshold was chosen on the run that --threshold-from names."""


def with_threshold_from(session: Session, loaded: LoadedRun, named: str) -> LoadedRun:
    """The loaded run, with the threshold chosen last on the run of this number or name.

    Raises:
        NoSuchRunError: the run does not exist.
        NoThresholdThereError: no threshold was chosen on it.
    """
    run, other = get_run(session, str(loaded.run.number)), get_run(session, named)
    last = chosen_on(session, other.id)
    if last is None:
        raise NoThresholdThereError(
            f"--threshold-from {shown(named)}: no threshold was chosen on run {other.id}: choose "
            f"one with `report choose-threshold {other.id} --target-sensitivity 0.90`, or name the "
            "run on which it was (`report thresholds` lists all)"
        )
    chosen = chosen_as(session, run, last)
    overlap = overlap_with(session, run, chosen, loaded.flow.scored)
    return loaded._replace(chosen=chosen, overlap=overlap)
