"""What `report choose-threshold` does: choose a threshold on one run for use on other runs."""

from contextlib import closing
from fractions import Fraction

import click

from base.console.foreign import shown
from base.console.telling import tell
from db.queries.report.thresholds import add_threshold, chosen_last
from db.queries.runs import run_by_id
from db.session import open_database
from db.views import in_words
from report.clustering.asked import Aggregate, Clustering
from report.loading.kept_thresholds import replaced
from report.loading.load_run import finished_run
from report.metrics.confusion import confusion
from report.options import clustering_of
from report.render.cluster_lines import operating_line, per_unit
from report.thresholds.select_threshold import Criterion, choose_by
from report.thresholds.threshold_text import threshold_text


def choose_on_run(  # noqa: PLR0913 - a command has as many arguments as options
    run: str,
    target_sensitivity: float | None,
    target_specificity: float | None,
    *,
    youden: bool,
    cost: tuple[Fraction, Fraction] | None,
    prevalence: float | None,
    cluster: str | None,
    per: str | None,
    aggregate: Aggregate | None,
) -> None:
    """Choose a threshold on a run's labelled scores by the one criterion given, and keep it."""
    asked = [
        *([] if target_sensitivity is None else [Criterion("sensitivity", target_sensitivity)]),
        *([] if target_specificity is None else [Criterion("specificity", target_specificity)]),
        *([Criterion("youden")] if youden else []),
        *([] if cost is None else [Criterion("cost", costs=cost, prevalence=prevalence)]),
    ]
    if len(asked) != 1:
        raise click.UsageError(
            "give exactly one of --target-sensitivity, --target-specificity, --youden and --cost"
        )
    if prevalence is not None and cost is None:
        raise click.UsageError("--prevalence weighs the errors of --cost: give it with --cost")
    _choose(run, asked[0], clustering_of(cluster, per, aggregate))


def _choose(run: str, criterion: Criterion, clustering: Clustering | None) -> None:
    with closing(open_database(must_exist=True)) as database:
        with database.read() as session:
            loaded = finished_run(session, run, clustering=clustering or Clustering())
        value = choose_by(criterion, loaded.labels, loaded.scores)
        table = confusion(loaded.labels, loaded.scores, value)
        how = (
            f"{criterion} (sensitivity {table.tp}/{table.malignant}, "
            f"specificity {table.tn}/{table.benign}{per_unit(loaded.units)})"
        )
        with database.write() as session:
            chosen_on = run_by_id(session, loaded.run.number)
            last = chosen_last(session, chosen_on.checkpoint_id, chosen_on.views)
            before = replaced(last, loaded.card)
            threshold_id = add_threshold(session, chosen_on, criterion.kind, value, how)
    digest, source = loaded.checkpoint.digest[:12], shown(loaded.run.source)
    tell(f"threshold {threshold_text(value)} chosen on run {loaded.run.number} of {source}: {how}")
    if loaded.clusters is not None:
        tell(operating_line(loaded.labels, loaded.scores, value, loaded.clusters))
    views = in_words(loaded.run.views)
    others = f"other runs of {views}" if views else "other runs"
    model = (loaded.checkpoint.imported or {}).get("model")
    of = f"checkpoint {digest}" if model is None else f"model {shown(model)}"
    tell(f"kept for {of}: in reports of its {others} it is prespecified")
    replaces = "" if before is None else f"it replaces {before}; "
    tell(f"{replaces}to take it back: report thresholds --forget {threshold_id}")
