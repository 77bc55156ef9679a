"""The line on a terminal that counts while a command works; elsewhere nothing is said."""

import sys

import click


def progress_counter(words: str) -> None:
    """Put `words`, such as `10,000 images listed`, in the place of what was counted before."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{words}", nl=False, err=True)


def end_count() -> None:
    """Clear the line that the count stood on."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
