"""Errors of checkpoints."""

from collections.abc import Sequence

import click

# Layers that a message names.
_SHOWN = 40


class CheckpointError(click.ClickException):
    """A checkpoint or its model card cannot be used; the message names the file and says why."""


class LayerError(CheckpointError):
    """A backbone has no such layer, or several; the message says which layers it has."""

    def __init__(self, layer: str, known: Sequence[str]) -> None:
        shown = ", ".join(known[:_SHOWN]) or "none that gives maps of features"
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        super().__init__(
            f"--features-at {layer}: this names no single layer of the backbone; "
            f"it has {shown}{more}"
        )
