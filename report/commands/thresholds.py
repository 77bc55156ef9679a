import click

from base.console.lazy_group import calls

_LARGEST = 2**31 - 1  # number of a row


@click.command
@click.option(
    "--forget",
    metavar="NUMBER",
    type=click.IntRange(1, _LARGEST),
    help="Delete this one; reports then use the one chosen before it, or else the model card's.",
)
@calls("report.actions.list_thresholds:list_thresholds")
def command() -> None:
    """List the chosen thresholds, or forget one.

    Each is listed with its run and day, and the last line says which one the next report uses.

    \b
        report thresholds
        report thresholds --forget 2
    """  # noqa: D301 - click takes the character itself
