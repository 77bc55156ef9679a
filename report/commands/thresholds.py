import click

from base.console.lazy_group import calls

_LARGEST = 2**31 - 1  # number of a row


@click.command
@click.option(
    "--forget",
    metavar="NUMBER",
    type=click.IntRange(1, _LARGEST),
    help="Delete this one: reports take the one chosen before it, or else the model card's.",
)
@calls("report.actions.list_thresholds:list_thresholds")
def command() -> None:
    """List the chosen thresholds, or forget one.

    Each with the run and the day it was chosen on, and which of them the next report takes.

    \b
        report thresholds
        report thresholds --forget 2
    """  # noqa: D301 - click takes the character itself
