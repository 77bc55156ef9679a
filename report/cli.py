"""The command `report`: what a run is worth, from stored scores only."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from report.commands import Subcommands
from report.threshold import ThresholdType, choose

if TYPE_CHECKING:
    from report.contents import Report
    from report.read import Stored

# sqlalchemy, numpy, scikit-learn, statsmodels, matplotlib and rich are imported where they are
# used: together they take three seconds, and `report --help` must answer in under half of one.

UNFINISHED = 3  # exit code


@click.group(cls=Subcommands, invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@click.option("--run", help="Number or name of the run.  [default: the newest]")
@click.option(
    "--threshold",
    type=ThresholdType(),
    help="Positive when score >= threshold, in [0, 1].  [default: the model card's]",
)
@click.option(
    "--format", "layout", type=click.Choice(["text", "json", "csv"]), default="text",
    show_default=True,
)  # fmt: skip
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write roc.png and confusion_matrix.png into this folder.",
)
@click.pass_context
def main(
    context: click.Context, run: str | None, threshold: float | None, layout: str,
    output: Path | None,
) -> None:  # fmt: skip
    r"""Sensitivity, specificity and ROC AUC of a run, from its stored scores.

    \b
        report --threshold 0.23
        report --run 3 --format json --output figures

    A threshold given here is reported as exploratory, one of the model card as prespecified.
    The exit code is 3 while images of the run are pending.
    """
    if context.invoked_subcommand is not None:
        return
    stored = _read(context, run)
    report = _measure(stored, threshold)
    click.echo(_show(report, layout))
    if output is not None:
        _draw(output, report, stored)


def _read(context: click.Context, run: str | None) -> Stored:
    from db.session import open_database
    from report.read import UnfinishedRunError, read_run

    with closing(open_database(must_exist=True)) as database, database.read() as session:
        try:
            return read_run(session, run)
        except UnfinishedRunError as error:
            click.echo(error, err=True)
            context.exit(UNFINISHED)


def _measure(stored: Stored, threshold: float | None) -> Report:
    chosen = choose(threshold, stored.card)
    from report.contents import Report
    from report.metrics import measure

    nothing = "no labelled image was scored" if stored.flow.labelled else "no labelled images"
    figures = measure(stored.labels, stored.scores, chosen.value, nothing=nothing)
    return Report(stored.run, stored.checkpoint, stored.flow, chosen, figures)


def _show(report: Report, layout: str) -> str:
    from report import formats, text

    match layout:
        case "json":
            return formats.as_json(report)
        case "csv":
            return formats.as_csv(report)
    return text.render(report, terminal=sys.stdout.isatty())


def _draw(output: Path, report: Report, stored: Stored) -> None:
    from report.plots import save_pictures

    try:
        paths = save_pictures(output, report, stored.labels, stored.scores)
    except OSError as error:
        raise click.ClickException(f"cannot write pictures to {output}: {error}") from error
    for path in paths:
        # stderr, so that JSON and CSV on stdout stay clean
        click.echo(f"wrote {path}", err=True)
