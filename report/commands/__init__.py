"""The subcommands of `report`, one in a file.

`report/commands/choose_threshold.py` holds the click command `command`, and `report
choose-threshold` runs it: a new file is a new subcommand, nothing else is to be changed. Every one
is imported for `report --help`, so a file imports click and what is as light at its top, and all
else where it is used.
"""

import importlib
import pkgutil

import click


class Subcommands(click.Group):
    """A group whose subcommands are the modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names as they are typed."""
        return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The module's `command`, known by its file's name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = cmd_name
        return command
