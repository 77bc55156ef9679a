from pathlib import Path

import click

from base.console.lazy_group import calls
from db.run_option import names_run
from report.options import measuring


@click.command(short_help="Fill in a reporting checklist, STARD or TRIPOD+AI.")
@names_run(required=False)
@click.option(
    "--standard",
    type=click.Choice(("stard", "tripod-ai")),
    required=True,
    help="STARD 2015 for diagnostic accuracy, TRIPOD+AI for prediction models.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="The Markdown file to write; without it, standard output.",
)  # fmt: skip
@measuring
@calls("report.actions.fill_checklist:fill_checklist")
def command() -> None:
    """Fill in a reporting checklist from what the ledger knows of RUN.

    \b
        report checklist 3 --standard stard -o stard.md

    RUN is a number or name; without it, the newest. Items that the ledger cannot answer are listed
    as open, with what the authors must write.
    """  # noqa: D301 - click takes the character itself
