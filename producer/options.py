"""What several subcommands of `producer` share."""

import click

# What Ctrl-C leaves of a command that only looks.
RUNS_GO_ON = "runs go on without this terminal"

layout_option = click.option(
    "--format", "layout", type=click.Choice(["table", "json"]), default="table", show_default=True
)
