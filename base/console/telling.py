"""What a program says to a person, line by line."""

import click

from base.console.foreign import for_terminal


def tell(line: object, *, err: bool = False) -> None:
    """Print one line, whatever names are in it; to standard error with `err`."""
    click.echo(for_terminal(line), err=err)
