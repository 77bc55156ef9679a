"""Matches the images that two runs both scored. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import click
import numpy as np

from base.arrays import Float64Array, LabelArray
from db.queries.results import ScoredImage
from report.exchange.image_id import image_name

# How many images an error names.
_NAMED = 5


class PairingError(click.ClickException):
    """The two runs cannot be compared; the message names the images."""


class LeftOut(NamedTuple):
    """Counts of scored images that are not compared, by reason."""

    only_a: int
    only_b: int
    unlabelled: int  # scored in both runs, labelled in neither
    other_bytes: int  # same name in both runs, but different files


class Pairs(NamedTuple):
    """The compared images: their paths in run A, labels `[n]` and scores `[2, n]`."""

    paths: list[str]
    labels: LabelArray
    scores: Float64Array
    left_out: LeftOut


def pair(first: Iterable[ScoredImage], second: Iterable[ScoredImage], *, by_name: bool) -> Pairs:
    """Match the scored images of two runs one to one.

    Args:
        first: the images of run A, which set the order of the pairs.
        second: the images of run B.
        by_name: match by file name, for imported scores, whose ids have no folder; else by path.

    Raises:
        PairingError: two images of a run share a name, or the runs disagree about a label.
    """
    key = image_name if by_name else str
    others = _by_key(second, key)
    mine = _by_key(first, key)
    both = [(mine[name], others[name]) for name in mine if name in others]
    same = [(a, b) for a, b in both if None in (a.digest, b.digest) or a.digest == b.digest]
    _require_agreement(same)
    known = [(a, b) for a, b in same if a.label is not None or b.label is not None]
    return Pairs(
        [a.path for a, _ in known],
        np.array([b.label if a.label is None else a.label for a, b in known], np.int8),
        np.array([[a.score for a, _ in known], [b.score for _, b in known]], np.float64),
        LeftOut(
            only_a=len(mine) - len(both),
            only_b=len(others) - len(both),
            unlabelled=len(same) - len(known),
            other_bytes=len(both) - len(same),
        ),
    )


def _by_key(images: Iterable[ScoredImage], key: Callable[[str], str]) -> dict[str, ScoredImage]:
    found: dict[str, ScoredImage] = {}
    for image in images:
        name = key(image.path)
        if name in found:
            raise PairingError(
                f"{found[name].path} and {image.path} are both called {name}: imported scores know "
                "an image only by its name, so the two cannot be told apart"
            )
        found[name] = image
    return found


def _require_agreement(pairs: list[tuple[ScoredImage, ScoredImage]]) -> None:
    wrong = [a.path for a, b in pairs if None not in (a.label, b.label) and a.label != b.label]
    if wrong:
        count = "1 image" if len(wrong) == 1 else f"{len(wrong)} images"
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise PairingError(
            f"the two runs disagree about the label of {count}: {', '.join(wrong[:_NAMED])}{more}; "
            "find out which label is right, and enqueue or import that run again"
        )
