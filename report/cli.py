"""The command `report`: how good a run is, from its stored scores only."""

from pathlib import Path

import click

from base.console import interrupt
from base.console.click_options import format_option
from base.console.lazy_group import Deferred
from base.console.terminal import Program
from db.run_option import RunFirst
from report.options import clustering, measuring

_show_report = Deferred("report.actions.show_report:show_report")


class _Report(RunFirst, Program):
    """`report 3` and `report page 3`."""


@click.group(
    cls=_Report,
    package="report.commands",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
)
@click.option(
    "--run", help="Number or name of the run; `report 3` does too.  [default: the newest]"
)
@measuring
@clustering
@click.option(
    "--classes",
    is_flag=False,
    flag_value="",
    metavar="[COLUMN]",
    help="Also give the figures of each class of the checkpoint. COLUMN of the manifest holds the "
    "true class.  [default: the only one that names classes]",
)
@format_option("text", "json", "csv", "markdown", "latex", "docx")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the pictures, PNG and SVG, into this folder, and the report of --format docx.",
)
@click.pass_context
def main(context: click.Context, /, **options: object) -> None:
    """Sensitivity, specificity, ROC AUC and more of a run, from its stored scores.

    \b
        report --threshold 0.23
        report 3 --by sex --format json --output figures

    A threshold given here is reported as exploratory, unless --prespecified says where it comes
    from. A threshold from the model card, or one that choose-threshold chose on another run, is
    reported as prespecified.
    The exit code is 3 while images of the run are pending, and 4 if no image could be scored.
    """  # noqa: D301 - click takes the character itself
    interrupt.keeps("stored scores are as they were; the same command begins again")
    if context.invoked_subcommand is None:
        _show_report(**options)
    else:
        _refuse_options(context, context.invoked_subcommand)


def _refuse_options(context: click.Context, subcommand: str) -> None:
    """Refuse options before a subcommand: it would not see them and would answer wrongly."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            name = option.opts[-1]
            raise click.UsageError(
                f"{name} stands before {subcommand}, which does not see it there: give it after "
                f"{subcommand}"
            )
