"""What `report compare` does with more than two runs."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from db.queries.report.export import stream_scored
from db.session import open_database
from report.actions.compared_picture import write_picture
from report.comparing.several_runs import compare_several
from report.loading.load_run import finished_run
from report.loading.pair_clusters import PairClusters, read_clusters
from report.loading.pairing import Shared, match
from report.loading.read_run import LoadedRun
from report.plots.compare import Curve, draw_comparison
from report.render.comparison import several_formats, two_views
from report.render.comparison import several_views as views
from report.render.markdown import parts_as_markdown
from report.render.text import render_parts
from report.thresholds.threshold import Threshold, choose_if_any


def compare_several_runs(
    names: Sequence[str],
    cluster: str | None,
    confidence: float,
    layout: str,
    output: Path | None,
) -> None:
    """Compare runs on the labelled images that all of them scored, and draw their curves."""
    loaded_runs, shared, clusters = _read(names, cluster)
    thresholds = [_threshold(loaded) for loaded in loaded_runs]
    found = compare_several(
        [two_views.brief(loaded.run) for loaded in loaded_runs],
        shared.labels,
        shared.scores,
        [None if threshold is None else threshold.value for threshold in thresholds],
        confidence,
        None if clusters is None else clusters.codes,
    )
    compared = views.ComparedSeveral(loaded_runs, thresholds, shared, found, clusters)
    click.echo(_show(compared, layout))
    if output is not None:
        _draw(output, compared)


def _read(
    names: Sequence[str], cluster: str | None
) -> tuple[list[LoadedRun], Shared, PairClusters | None]:
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        runs = [finished_run(session, name) for name in names]
        numbers = [loaded.run.number for loaded in runs]
        if twice := [number for number in numbers if numbers.count(number) > 1]:
            raise click.UsageError(f"run {twice[0]} is named twice: name each of the runs once")
        images = [list(stream_scored(session, number)) for number in numbers]
        by_name = len({loaded.checkpoint.names_only for loaded in runs}) > 1
        shared = match(images, by_name=by_name)
        if not shared.paths:
            listed = f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
            raise click.ClickException(
                f"runs {listed} have no labelled image that all of them scored"
            )
        if cluster is None:
            return runs, shared, None
        paths = shared.paths
        return runs, shared, read_clusters(session, numbers, paths, cluster, by_name=by_name)


def _threshold(loaded: LoadedRun) -> Threshold | None:
    try:
        return choose_if_any(None, loaded.card, loaded.chosen, loaded.overlap)
    except click.UsageError as error:
        message = error.message.partition(": give one")[0]
        raise click.UsageError(
            f"run {loaded.run.number}: {message}: choose one with report choose-threshold"
        ) from None


def _show(compared: views.ComparedSeveral, layout: str) -> str:
    match layout:
        case "json":
            return several_formats.as_json(compared)
        case "csv":
            return several_formats.as_csv(compared)
        case "markdown":
            return parts_as_markdown(views.parts(compared))
    return render_parts(views.parts(compared), terminal=sys.stdout.isatty())


def _draw(output: Path, compared: views.ComparedSeveral) -> None:
    shared = compared.shared
    curves = [
        Curve(two_views.describe(loaded.run), shared.labels, scores, auc, threshold)
        for loaded, scores, auc, threshold in zip(
            compared.runs, shared.scores, compared.found.aucs, compared.thresholds, strict=True
        )
    ]
    synthetic = any(loaded.checkpoint.synthetic for loaded in compared.runs)
    images = f"the same {len(shared.labels):,} images"
    write_picture(output, draw_comparison(curves, images, synthetic=synthetic))
