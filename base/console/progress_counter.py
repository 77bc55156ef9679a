"""A line on a terminal that counts while a command works; elsewhere nothing is printed."""

import sys

import click


def progress_counter(words: str) -> None:
    """Replace the counter by `words`, such as `10,000 images listed`."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{words}", nl=False, err=True)


def end_count() -> None:
    """Clear the counter's line."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
