"""Takes the images of two runs apart, for runs over different images. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import click
import numpy as np

from base.arrays import Float64Array, LabelArray
from db.queries.results import ScoredImage
from report.exchange.image_id import image_name


class OverlapError(click.ClickException):
    """The images of two runs are not known to be different."""


class ApartLeftOut(NamedTuple):
    """Counts of scored images that are left out, by reason."""

    in_both_a: int  # of run A; run B holds the same path, name or bytes
    in_both_b: int
    unlabelled_a: int
    unlabelled_b: int


class Apart(NamedTuple):
    """The labels and scores of A, each `[n]`, and of B, each `[m]`."""

    labels: tuple[LabelArray, LabelArray]
    scores: tuple[Float64Array, Float64Array]
    left_out: ApartLeftOut


def apart(first: Sequence[ScoredImage], second: Sequence[ScoredImage], *, by_name: bool) -> Apart:
    """The labelled images that are in one of two runs only.

    Args:
        first: the scored images of run A.
        second: the scored images of run B.
        by_name: an image is known by its file's name, as imported scores know it; else by path.

    Raises:
        OverlapError: one of the runs has no labelled image of its own.
    """
    names = [{_key(image, by_name) for image in run} for run in (first, second)]
    digests = [{image.digest for image in run} for run in (first, second)]
    both = names[0] & names[1], (digests[0] & digests[1]) - {None}
    own = [
        [one for one in run if _key(one, by_name) not in both[0] and one.digest not in both[1]]
        for run in (first, second)
    ]
    known = [[one for one in run if one.label is not None] for run in own]
    a, b = known
    if not a or not b:
        side, run = ("A", own[0]) if not a else ("B", own[1])
        others = len(first if side == "A" else second) - len(run)
        raise OverlapError(
            f"{side} has no labelled image of its own to compare unpaired: {others} of its images "
            "are in the other run as well, by path, name or bytes"
        )
    return Apart(
        (_labels(a), _labels(b)),
        (_scores(a), _scores(b)),
        ApartLeftOut(
            len(first) - len(own[0]),
            len(second) - len(own[1]),
            len(own[0]) - len(a),
            len(own[1]) - len(b),
        ),
    )


def require_different(first: Sequence[ScoredImage], second: Sequence[ScoredImage]) -> None:
    """Refuse runs whose paths differ, but whose files have the same names and may be the same.

    Raises:
        OverlapError: a name is in both runs, and the bytes of one of the two files are not known.
    """
    named = {image_name(image.path): image for image in first}
    same = [
        (named[name].path, image.path)
        for image in second
        if (name := image_name(image.path)) in named and None in (named[name].digest, image.digest)
    ]
    if same:
        raise OverlapError(
            f"no path is in both runs, but {len(same)} names of files are, such as {same[0][0]} "
            f"and {same[0][1]}: score or import one of the runs with the paths of the other if "
            "they are the same images, and give --unpaired if all images are different"
        )


def _key(image: ScoredImage, by_name: bool) -> str:
    return image_name(image.path) if by_name else image.path


def _labels(images: Sequence[ScoredImage]) -> LabelArray:
    return np.array([image.label for image in images], np.int8)


def _scores(images: Sequence[ScoredImage]) -> Float64Array:
    return np.array([image.score for image in images], np.float64)
