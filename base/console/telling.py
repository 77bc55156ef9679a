"""Prints lines for a person."""

import click

from base.console.foreign import for_terminal


def tell(line: object, *, err: bool = False) -> None:
    """Print a single line, whatever names it contains; with `err` to standard error."""
    click.echo(for_terminal(line), err=err)
