"""A program whose subcommands are the modules of a package, imported when they are needed.

`report/commands/choose_threshold.py` contains the click command `command`, and `report
choose-threshold` runs it: a new file is a new subcommand, and nothing else has to change. Such a
file defines the options and imports only click and similarly light modules; the command's work is
in another module with its own imports, which `calls` loads when it runs. So every --help answers at
once.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import click

from base.console import interrupt


class LazyGroup(click.Group):
    """A group whose subcommands are the modules of `package`."""

    def __init__(self, *args: Any, package: str, **options: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **options)
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the subcommands as they are typed."""
        folders = importlib.import_module(self._package).__path__
        return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(folders))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The `command` of the module with this name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command


class Deferred:
    """A command's function, `module:name`, that is imported when it is called."""

    def __init__(self, target: str, keeps: str | None = None) -> None:
        self._target = target
        self._keeps = keeps

    def load(self) -> Callable[..., object]:
        """Import the function."""
        module, _, name = self._target.partition(":")
        function: Callable[..., object] = getattr(importlib.import_module(module), name)
        return function

    def __call__(self, **values: object) -> object:
        """Import and call it; before the import, Ctrl-C's line about what is kept is set."""
        if self._keeps is not None:
            interrupt.keeps(self._keeps.format(**values))
        return self.load()(**values)


def calls(target: str, *, keeps: str | None = None) -> Callable[[Callable[[], None]], Deferred]:
    """Let a command call the function `module:name` with the values of its options.

    The decorated function gives the command's name and help text. `keeps` is what Ctrl-C leaves
    behind; names of options in braces are replaced.
    """

    def decorate(described: Callable[[], None]) -> Deferred:
        deferred = Deferred(target, keeps)
        update_wrapper(deferred, described)
        return deferred

    return decorate
