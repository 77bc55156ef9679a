"""The images that two runs both scored, matched one to one. Pure."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import click
import numpy as np

from db.queries.results import ScoredImage
from report.arrays import Float64Array, LabelArray
from report.exchange.image_id import image_name

# Of images that an error names.
_NAMED = 5


class PairingError(click.ClickException):
    """The two runs cannot be compared; the message names the images."""


class LeftOut(NamedTuple):
    """Scored images that are not compared, by why not."""

    only_a: int
    only_b: int
    unlabelled: int  # scored in both, with a label in neither
    other_bytes: int  # scored in both under one name, but not the same file


class Pairs(NamedTuple):
    """What is compared: names as the first run has them, labels `[n]` and scores `[2, n]`."""

    paths: list[str]
    labels: LabelArray
    scores: Float64Array
    left_out: LeftOut


def pair(first: Iterable[ScoredImage], second: Iterable[ScoredImage], *, by_name: bool) -> Pairs:
    """Match the scored images of two runs.

    Args:
        first: of run A, in the order that the pairs are to have.
        second: of run B.
        by_name: match by the name of the file alone, as ids of imported scores are; else by path.

    Raises:
        PairingError: two images of a run have one name, or the runs give an image two labels.
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
                "an image by its name alone, so the two cannot be told apart"
            )
        found[name] = image
    return found


def _require_agreement(pairs: list[tuple[ScoredImage, ScoredImage]]) -> None:
    wrong = [a.path for a, b in pairs if None not in (a.label, b.label) and a.label != b.label]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise PairingError(
            f"the two runs give {len(wrong)} image{'' if len(wrong) == 1 else 's'} another label: "
            f"{', '.join(wrong[:_NAMED])}{more}; which is true must be known first"
        )
