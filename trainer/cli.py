"""The command `trainer`."""

import click

from base.console import interrupt
from base.console.terminal import Program


@click.group(cls=Program, package="trainer.commands")
def main() -> None:
    """Make the checkpoints that workers score with."""
    interrupt.keeps("the same command begins again")
