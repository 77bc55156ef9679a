"""The command `producer`."""

import click

from base.console.terminal import Program


@click.group(cls=Program, package="producer.commands")
def main() -> None:
    """List images, enqueue them for scoring, and say how far their runs are."""
