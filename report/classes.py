"""The classes of a checkpoint, as its card names them, and their stored probabilities. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


class ClassesError(click.ClickException):
    """Classes and probabilities of a run do not fit, or there are none; the message says why."""


def classes_of(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a checkpoint's classes in the order of its outputs; none for one score."""
    names = card.get("classes")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def probabilities_of(text: str, classes: Sequence[str]) -> list[float]:
    """The numbers of one image.

    Raises:
        ClassesError: they are not as many as the card has classes now.
    """
    numbers: list[float] = json.loads(text)
    if len(numbers) != len(classes):
        raise ClassesError(
            f"{len(numbers)} probabilities of an image are stored, and the checkpoint's card has "
            f"{len(classes)} classes: it was changed after the run was scored, so correct it and "
            "enqueue the source again"
        )
    return numbers
