"""A finished run's report, as `report` and `report page` both make it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from base.console.telling import tell
from report.thresholds.threshold import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from report.contents import Report
    from report.loading.read import Stored

# sqlalchemy, numpy and statsmodels are imported where they are used: `report --help` imports this.


def read_finished(run: str | None, by: Sequence[str]) -> Stored:
    """The run of this number or name, the newest without one; the command ends while it is pending.

    Raises:
        click.ClickException: there is no ledger, no such run or no such column.
    """
    from db.session import open_database
    from report.loading.load_run import finished_run

    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        return finished_run(session, run, by)


def build(
    stored: Stored, threshold: float | None, confidence: float, prevalence: float | None
) -> Report:
    """The report at this threshold, or at that of choose-threshold or of the model card.

    Raises:
        click.UsageError: there is neither.
    """
    chosen = choose(threshold, stored.card, stored.chosen, stored.seen)
    from report.contents import Answers, Report
    from report.metrics.metrics import measure
    from report.metrics.subgroups import by_subgroup

    figures = measure(
        stored.labels,
        stored.scores,
        chosen.value,
        nothing="no labelled image was scored" if stored.flow.labelled else "no labelled images",
        confidence=confidence,
        prevalence=prevalence,
    )
    subgroups = by_subgroup(stored.groups, chosen.value, confidence)
    positive = int((stored.unlabelled >= chosen.value).sum())
    unlabelled = Answers(positive, len(stored.unlabelled))
    return Report(
        stored.run, stored.checkpoint, stored.flow, chosen, figures, subgroups, unlabelled
    )


def refuse_nothing_scored(stored: Stored) -> None:
    """End a command, after what it shows, whose run has no score at all.

    Raises:
        click.exceptions.Exit: with `NOTHING_SCORED`, after one line that says the likely cause.
    """
    if not stored.flow.unreadable or stored.flow.scored:
        return
    from imaging.nothing_scored import NOTHING_SCORED, nothing_scored

    said = nothing_scored(stored.run.number, stored.flow.errors, stored.failed)
    tell(f"Error: run {stored.run.number}: {said}", err=True)
    raise click.exceptions.Exit(NOTHING_SCORED)
