"""A finished run's report, as `report` and `report page` both make it."""

from collections.abc import Sequence
from contextlib import closing

import click

from base.console.telling import tell
from db.session import open_database
from imaging.nothing_scored import NOTHING_SCORED, nothing_scored
from report.loading.load_run import finished_run
from report.loading.read_run import LoadedRun
from report.metrics.metrics import measure
from report.metrics.subgroups import by_subgroup
from report.report_model import Answers, Report
from report.thresholds.threshold import choose


def read_finished(run: str | None, by: Sequence[str]) -> LoadedRun:
    """The run with this number or name, by default the newest; a pending run ends the command.

    Raises:
        click.ClickException: there is no ledger, no such run or no such column.
    """
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        return finished_run(session, run, by)


def build(
    stored: LoadedRun, threshold: float | None, confidence: float, prevalence: float | None
) -> Report:
    """The report at this threshold; without one, at that of choose-threshold or the model card.

    Raises:
        click.UsageError: no threshold is given or stored.
    """
    chosen = choose(threshold, stored.card, stored.chosen, stored.overlap)
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


def refuse_nothing_scored(stored: LoadedRun) -> None:
    """End a command with an error if its run has no score at all; call it after the output.

    Raises:
        click.exceptions.Exit: with `NOTHING_SCORED`, after one line that names the likely cause.
    """
    if not stored.flow.unreadable or stored.flow.scored:
        return
    said = nothing_scored(stored.run.number, stored.flow.errors, stored.failed)
    tell(f"Error: run {stored.run.number}: {said}", err=True)
    raise click.exceptions.Exit(NOTHING_SCORED)
