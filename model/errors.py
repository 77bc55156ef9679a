"""Errors of checkpoints."""

import click


class CheckpointError(click.ClickException):
    """A checkpoint or its model card cannot be used; the message names the file and says why."""
