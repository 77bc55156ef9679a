"""The subcommands of `report`, one in a file.

`report/commands/choose_threshold.py` holds the click command `command`, and `report
choose-threshold` runs it: a new file is a new subcommand, nothing else is to be changed. Every one
is imported for `report --help`, so a file imports click and what is as light at its top, and all
else where it is used.
"""

import importlib
import pkgutil

import click

from base.console.terminal import Program

RUN_WORD = "dermscore.report.run"


class Subcommands(Program):
    """A group whose subcommands are the modules of this package."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take a first word that is no subcommand for the run, as after `--run`."""
        return super().parse_args(ctx, self._with_run(ctx, args))

    def _with_run(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            _, rest, _ = self.make_parser(ctx).parse_args(args=list(args))
        except click.UsageError:
            return args  # click says it again
        if not rest or rest[0] in self.list_commands(ctx):
            return args
        at = len(args) - len(rest)
        ctx.meta[RUN_WORD] = rest[0]
        return [*args[:at], "--run", rest[0], *args[at + 1 :]]

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
