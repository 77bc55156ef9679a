"""`report compare`: two runs on the images that both scored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.console.telling import tell
from base.disk import reason_of
from base.permissions import make_folder
from db.run_option import names_two_runs
from report.thresholds.threshold import FractionType, Threshold, ThresholdType, choose

if TYPE_CHECKING:
    from report.loading.pairing import Pairs
    from report.loading.read import Stored
    from report.render.comparison_views import Compared


@click.command(short_help="Compare two runs on the images that both scored.")
@names_two_runs
@click.option("--threshold-a", type=ThresholdType(), help="Threshold of A.  [default: report's]")
@click.option("--threshold-b", type=ThresholdType(), help="Threshold of B.  [default: report's]")
@click.option("--confidence", type=FractionType(), default=0.95, show_default=True)
@click.option(
    "--format", "layout", type=click.Choice(["text", "json", "csv"]), default="text",
    show_default=True, help="csv lists the images that changed sides.",
)  # fmt: skip
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write roc_compared.png and roc_compared.svg into this folder.",
)
def command(
    runs: tuple[str, str],
    threshold_a: float | None,
    threshold_b: float | None,
    confidence: float,
    layout: str,
    output: Path | None,
) -> None:
    """Compare RUN_A with RUN_B, by number or name, on the labelled images that both scored.

    \b
        report compare recod gonzalez --output figures
        report compare 3 4 --threshold-a 0.3 --threshold-b 0.2

    DeLong's paired test compares the AUCs, and McNemar's exact test the answers, separately for
    malignant and benign images. Images are matched by path, or by the file's name if one run is
    imported. The exit code is 3 while images of a run are pending.
    """  # noqa: D301 - click takes the character itself
    from report.metrics.comparing import compare  # deferred, with statsmodels
    from report.render.comparison_views import Compared

    both, pairs = _read(*runs)
    thresholds = (
        _threshold(both[0], threshold_a, "--threshold-a"),
        _threshold(both[1], threshold_b, "--threshold-b"),
    )
    values = (thresholds[0].value, thresholds[1].value)
    comparison = compare(pairs.labels, pairs.scores, values, confidence)
    compared = Compared(both, thresholds, pairs, comparison)
    click.echo(_show(compared, layout))
    if output is not None:
        _draw(output, compared)


def _read(run_a: str, run_b: str) -> tuple[tuple[Stored, Stored], Pairs]:
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.queries.report.export import stream_scored
    from db.session import open_database
    from report.loading.load_run import finished_run
    from report.loading.pairing import pair

    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        runs = finished_run(session, run_a), finished_run(session, run_b)
        images = [stream_scored(session, stored.run.number) for stored in runs]
        # Ids of imported scores are names without a folder.
        imported = [stored.checkpoint.imported is not None for stored in runs]
        pairs = pair(*images, by_name=imported[0] != imported[1])
    if not pairs.paths:
        raise click.ClickException(
            f"runs {runs[0].run.number} and {runs[1].run.number} have no labelled image that both "
            "scored"
        )
    return runs, pairs


def _threshold(stored: Stored, given: float | None, option: str) -> Threshold:
    try:
        return choose(given, stored.card, stored.chosen, stored.seen)
    except click.UsageError as error:
        said = error.message.replace("--threshold 0.23", f"{option} 0.23")
        raise click.UsageError(f"run {stored.run.number}: {said}") from None


def _show(compared: Compared, layout: str) -> str:
    from report.render import comparison_views as views

    match layout:
        case "json":
            return views.as_json(compared)
        case "csv":
            return views.as_csv(compared)
    return views.as_text(compared, terminal=sys.stdout.isatty())


def _draw(output: Path, compared: Compared) -> None:
    from report.plots.compare import draw_comparison
    from report.plots.save import save
    from report.render.comparison_views import describe

    picture = draw_comparison(
        [describe(stored.run) for stored in compared.runs],
        compared.pairs.labels,
        compared.pairs.scores,
        compared.thresholds,
        compared.comparison,
        synthetic=any(stored.checkpoint.synthetic for stored in compared.runs),
    )
    try:
        make_folder(output)
        for kind in ("png", "svg"):
            save(picture, output / f"roc_compared.{kind}")
            tell(f"wrote {output / f'roc_compared.{kind}'}", err=True)
    except OSError as error:
        reason = reason_of(error)
        raise click.ClickException(f"cannot write pictures to {output}: {reason}") from error
