"""What `report compare` does: compare two runs on the same images, or on different ones."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from db.queries.report.export import stream_scored
from db.queries.results import ScoredImage
from db.session import open_database
from report.actions.compare_several_runs import compare_several_runs
from report.actions.compared_picture import write_picture
from report.comparing.two_runs import compare
from report.comparing.unpaired import compare_unpaired
from report.loading.apart import Apart, apart, require_different
from report.loading.load_run import finished_run
from report.loading.pair_clusters import PairClusters, read_clusters
from report.loading.pairing import Pairs, pair
from report.loading.read_run import LoadedRun
from report.plots.compare import Curve, draw_comparison
from report.render.comparison import two_formats as formats
from report.render.comparison import two_views as views
from report.render.markdown import parts_as_markdown
from report.render.text import render_parts
from report.thresholds.threshold import Threshold, choose_if_any


def compare_runs(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    runs: tuple[str, ...],
    threshold_a: float | None,
    threshold_b: float | None,
    margin: float | None,
    unpaired: bool,
    cluster: str | None,
    confidence: float,
    layout: str,
    output: Path | None,
) -> None:
    """Compare two runs or more on their labelled images, and draw their curves."""
    if len(runs) > 2:
        _refuse_for_several(threshold_a, threshold_b, margin, unpaired or None)
        compare_several_runs(runs, cluster, confidence, layout, output)
        return
    run_a, run_b = runs
    loaded_runs, images, clusters = _read(run_a, run_b, cluster, unpaired=unpaired)
    thresholds = (
        _threshold(loaded_runs[0], threshold_a, "--threshold-a"),
        _threshold(loaded_runs[1], threshold_b, "--threshold-b"),
    )
    values = _value(thresholds[0]), _value(thresholds[1])
    if isinstance(images, Apart):
        comparison = compare_unpaired(images.labels, images.scores, values, confidence)
    else:
        codes = None if clusters is None else clusters.codes
        comparison = compare(images.labels, images.scores, values, confidence, codes)
    compared = views.Compared(loaded_runs, thresholds, images, comparison, margin, clusters)
    click.echo(_show(compared, layout))
    if output is not None:
        _draw(output, compared)


def _refuse_for_several(*values: float | None) -> None:
    names = ("--threshold-a", "--threshold-b", "--margin", "--unpaired")
    for name, value in zip(names, values, strict=True):
        if value is not None:
            raise click.UsageError(f"{name} is for two runs: name two, or leave it out")


def _read(
    run_a: str, run_b: str, cluster: str | None, *, unpaired: bool
) -> tuple[tuple[LoadedRun, LoadedRun], Pairs | Apart, PairClusters | None]:
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        runs = finished_run(session, run_a), finished_run(session, run_b)
        numbers = [loaded.run.number for loaded in runs]
        first, second = (list(stream_scored(session, number)) for number in numbers)
        by_name = runs[0].checkpoint.names_only != runs[1].checkpoint.names_only
        images = _images(first, second, numbers, by_name=by_name, unpaired=unpaired)
        if cluster is None:
            return runs, images, None
        if isinstance(images, Apart):
            raise click.UsageError("--cluster is for runs over the same images")
        paths = images.paths
        return runs, images, read_clusters(session, numbers, paths, cluster, by_name=by_name)


def _images(
    first: Sequence[ScoredImage],
    second: Sequence[ScoredImage],
    runs: Sequence[int],
    *,
    by_name: bool,
    unpaired: bool,
) -> Pairs | Apart:
    if unpaired:
        return apart(first, second, by_name=by_name)
    pairs = pair(first, second, by_name=by_name)
    if pairs.paths:
        return pairs
    if pairs.left_out.only_a < len(first) or not first or not second:
        raise click.ClickException(
            f"runs {runs[0]} and {runs[1]} have no labelled image that both scored"
        )
    require_different(first, second)
    return apart(first, second, by_name=by_name)


def _threshold(loaded: LoadedRun, given: float | None, option: str) -> Threshold | None:
    try:
        return choose_if_any(given, loaded.card, loaded.chosen, loaded.overlap)
    except click.UsageError as error:
        message = error.message.replace("--threshold 0.23", f"{option} 0.23")
        raise click.UsageError(f"run {loaded.run.number}: {message}") from None


def _value(threshold: Threshold | None) -> float | None:
    return None if threshold is None else threshold.value


def _show(compared: views.Compared, layout: str) -> str:
    match layout:
        case "json":
            return formats.as_json(compared)
        case "csv":
            return formats.as_csv(compared)
        case "markdown":
            return parts_as_markdown(views.parts(compared))
    return render_parts(views.parts(compared), terminal=sys.stdout.isatty())


def _draw(output: Path, compared: views.Compared) -> None:
    images = compared.images
    same = not isinstance(images, Apart)
    labels = (images.labels, images.labels) if isinstance(images, Pairs) else images.labels
    sides = zip(
        map(views.describe, (loaded.run for loaded in compared.runs)),
        labels,
        images.scores,
        compared.comparison.aucs,
        compared.thresholds,
        strict=True,
    )
    picture = draw_comparison(
        [Curve(*side) for side in sides],
        f"the same {len(labels[0]):,} images" if same else "different images",
        synthetic=any(loaded.checkpoint.synthetic for loaded in compared.runs),
    )
    write_picture(output, picture)
