"""The command `report`: what a run is worth, from stored scores only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.console import interrupt
from base.console.telling import tell
from base.disk import reason_of
from db.errors import DatabaseError
from report.build import build, read_finished, refuse_nothing_scored
from report.commands import RUN_WORD, Subcommands
from report.options import measuring

if TYPE_CHECKING:
    from report.contents import Report
    from report.loading.read import Stored

# sqlalchemy, numpy, scikit-learn, statsmodels, matplotlib and rich are imported where they are
# used: together they take three seconds, and `report --help` must answer in under half of one.


@click.group(cls=Subcommands, invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@click.option(
    "--run", help="Number or name of the run; `report 3` does too.  [default: the newest]"
)
@measuring
@click.option(
    "--format",
    "layout",
    type=click.Choice(["text", "json", "csv", "markdown"]),
    default="text",
    show_default=True,
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the pictures, PNG and SVG, into this folder.",
)
@click.pass_context
def main(
    context: click.Context,
    run: str | None,
    threshold: float | None,
    by: tuple[str, ...],
    prevalence: float | None,
    confidence: float,
    layout: str,
    output: Path | None,
) -> None:
    """Sensitivity, specificity, ROC AUC and more of a run, from its stored scores.

    \b
        report --threshold 0.23
        report 3 --by sex --format json --output figures

    A threshold given here is reported as exploratory, one of the model card, or chosen on another
    run by choose-threshold, as prespecified.
    The exit code is 3 while images of the run are pending, and 4 where none could be scored.
    """  # noqa: D301 - click takes the character itself
    interrupt.keeps("stored scores are as they were; the same command begins again")
    if context.invoked_subcommand is not None:
        _refuse_options(context, context.invoked_subcommand)
        return
    stored = _read(context, run, by)
    report = build(stored, threshold, confidence, prevalence)
    click.echo(_show(report, layout))
    if output is not None:
        _draw(output, report, stored)
    refuse_nothing_scored(stored)


def _refuse_options(context: click.Context, subcommand: str) -> None:
    """The subcommand would never see them, and answer another question than the one asked."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            name = option.opts[-1]
            raise click.UsageError(
                f"{name} stands before {subcommand}, which does not see it there: give it after "
                f"{subcommand}"
            )


def _read(context: click.Context, run: str | None, by: tuple[str, ...]) -> Stored:
    try:
        return read_finished(run, by)
    except DatabaseError as error:
        word = context.meta.get(RUN_WORD)
        if word is None or word.isdecimal():
            raise
        raise click.UsageError(f"No such command {word!r}, and {error.message}") from None


def _show(report: Report, layout: str) -> str:
    from report.render import formats, markdown, text

    match layout:
        case "json":
            return formats.as_json(report)
        case "csv":
            return formats.as_csv(report)
        case "markdown":
            return markdown.as_markdown(report)
    return text.render(report, terminal=sys.stdout.isatty())


def _draw(output: Path, report: Report, stored: Stored) -> None:
    from report.plots.save import save_pictures

    try:
        pictures = save_pictures(output, report, stored)
    except OSError as error:
        reason = reason_of(error)
        raise click.ClickException(f"cannot write pictures to {output}: {reason}") from error
    # stderr, so that JSON and CSV on stdout stay clean
    for path in pictures.written:
        tell(f"wrote {path}", err=True)
    for path in pictures.removed:
        tell(f"removed {path}: it was of an earlier report", err=True)
    if pictures.undrawn:
        absent = report.figures.roc_auc.reason
        tell(f"not drawn ({absent}): {', '.join(pictures.undrawn)}", err=True)
