"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def all_of(*options: Decorator) -> Decorator:
    """One decorator that adds all of these options to a command, listed in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def format_option(*layouts: str, help: str | None = None) -> Decorator:  # noqa: A002 - click's own
    """--format with these values, the first by default; the command gets it as `layout`."""
    return click.option(
        "--format", "layout", type=click.Choice(layouts), default=layouts[0], show_default=True,
        help=help,
    )  # fmt: skip
