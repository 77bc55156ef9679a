"""A finished run's report, as `report` and `report page` both make it."""

from collections.abc import Sequence
from contextlib import closing

import click

from base.console.telling import tell
from db.session import open_database
from imaging.nothing_scored import NOTHING_SCORED, nothing_scored
from report.clustering.asked import Clustering
from report.clustering.figures import by_clusters, subgroups_by_clusters
from report.comparing.gaps import with_gaps
from report.loading.load_run import finished_run
from report.loading.read_classes import ClassRows
from report.loading.read_run import LoadedRun
from report.metrics.classes import measure_classes
from report.metrics.metrics import measure
from report.metrics.subgroups import by_subgroup
from report.report_model import Answers, ClassReport, Report
from report.resampling.over_images import add_intervals
from report.threshold_from import with_threshold_from
from report.thresholds.threshold import choose


def read_finished(
    run: str | None,
    by: Sequence[str],
    *,
    unique: bool = False,
    classes: str | None = None,
    threshold_from: str | None = None,
    clustering: Clustering | None = None,
) -> LoadedRun:
    """The run with this number or name, by default the newest; a pending run ends the command.

    Its threshold is the one that was chosen on the run `threshold_from`, if it is given.

    Raises:
        click.ClickException: there is no ledger, no such run or no such column, or images cannot
            be `unique`.
    """
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        loaded = finished_run(
            session, run, by, unique=unique, classes=classes, clustering=clustering
        )
        if threshold_from is None:
            return loaded
        return with_threshold_from(session, loaded, threshold_from)


def build(
    loaded: LoadedRun,
    threshold: float | None,
    confidence: float,
    prevalence: float | None,
    prespecified: str | None = None,
) -> Report:
    """The report at this threshold; without one, at that of choose-threshold or the model card.

    `prespecified` says where the given threshold was laid down beforehand.

    Raises:
        click.UsageError: no threshold is given or stored.
    """
    chosen = choose(threshold, loaded.card, loaded.chosen, loaded.overlap, prespecified)
    figures = measure(
        loaded.labels,
        loaded.scores,
        chosen.value,
        nothing="no labelled image was scored" if loaded.flow.labelled else "no labelled images",
        confidence=confidence,
        prevalence=prevalence,
        clusters=None if loaded.clusters is None else loaded.clusters.codes,
    )
    subgroups = by_subgroup(loaded.groups, chosen.value, confidence)
    facts = None
    if (clusters := loaded.clusters) is None:
        figures = add_intervals(figures, loaded.labels, loaded.scores, chosen.value)
        subgroups = with_gaps(subgroups, loaded.groups, chosen.value, confidence)
    else:
        figures, facts = by_clusters(figures, loaded.labels, loaded.scores, chosen.value, clusters)
        subgroups = subgroups_by_clusters(
            subgroups, loaded.groups, chosen.value, clusters, confidence
        )
    positive = int((loaded.unlabelled >= chosen.value).sum())
    unlabelled = Answers(positive, len(loaded.unlabelled))
    return Report(
        loaded.run,
        loaded.checkpoint,
        loaded.flow,
        chosen,
        figures,
        subgroups,
        unlabelled,
        None if loaded.classes is None else _of_classes(loaded.classes, confidence),
        facts,
        loaded.units,
        loaded.repeats,
    )


def _of_classes(rows: ClassRows, confidence: float) -> ClassReport:
    figures = measure_classes(rows.classes, rows.truth, rows.probabilities, confidence)
    others = {name: count for name, count in rows.others.most_common() if name}
    return ClassReport(rows.origin, figures, rows.others[""], others, rows.unstored)


def refuse_nothing_scored(loaded: LoadedRun) -> None:
    """End a command with an error if its run has no score at all; call it after the output.

    Raises:
        click.exceptions.Exit: with `NOTHING_SCORED`, after one line that names the likely cause.
    """
    if not loaded.flow.unscored or loaded.flow.scored:
        return
    reason = nothing_scored(loaded.run.number, loaded.flow.errors, loaded.failed)
    tell(f"Error: run {loaded.run.number}: {reason}", err=True)
    raise click.exceptions.Exit(NOTHING_SCORED)
