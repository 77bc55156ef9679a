"""Matches the images that several runs all scored. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import click
import numpy as np

from base.arrays import BoolArray, Float64Array, LabelArray
from db.queries.results import ScoredImage
from report.exchange.image_id import image_name

# How many images an error names.
_NAMED = 5


class PairingError(click.ClickException):
    """The runs cannot be compared; the message names the images."""


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


class Shared(NamedTuple):
    """The images of all runs: paths in the first, labels `[n]` and scores `[runs, n]`.

    `not_in_all` counts the other images of each run, `unlabelled` and `other_bytes` those that all
    runs scored, but that have no label, or are not the same file in all.
    """

    paths: list[str]
    labels: LabelArray
    scores: Float64Array
    not_in_all: tuple[int, ...]
    unlabelled: int
    other_bytes: int


def pair(first: Iterable[ScoredImage], second: Iterable[ScoredImage], *, by_name: bool) -> Pairs:
    """Match the scored images of two runs one to one.

    Args:
        first: the images of run A, which set the order of the pairs.
        second: the images of run B.
        by_name: match by file name, for imported scores, whose ids have no folder; else by path.

    Raises:
        PairingError: two images of a run share a name, or the runs disagree about a label.
    """
    both = match([first, second], by_name=by_name)
    only_a, only_b = both.not_in_all
    left_out = LeftOut(only_a, only_b, both.unlabelled, both.other_bytes)
    return Pairs(both.paths, both.labels, both.scores, left_out)


def match(runs: Sequence[Iterable[ScoredImage]], *, by_name: bool) -> Shared:
    """Match the scored images of several runs, in the order of the first run.

    Args:
        runs: the images of each.
        by_name: match by file name, for imported scores, whose ids have no folder; else by path.

    Raises:
        PairingError: two images of a run share a name, or the runs disagree about a label.
    """
    keyed = [_by_key(run, image_name if by_name else None) for run in runs]
    names = list(keyed[0])
    for other in keyed[1:]:
        names = [name for name in names if name in other]
    columns = [[run[name] for name in names] for run in keyed]
    labels = _labels(columns)
    same = _one_file([[image.digest or "" for image in column] for column in columns])
    label = labels.max(axis=0, initial=-1)
    opposed = np.flatnonzero(same & (label == 1) & (labels == 0).any(axis=0))
    _require_agreement([columns[0][at].path for at in opposed], len(runs))
    compared = np.flatnonzero(same & (label >= 0))
    scores = np.array([[image.score for image in column] for column in columns], np.float64)
    return Shared(
        [columns[0][at].path for at in compared],
        label[compared],
        scores[:, compared],
        tuple(len(run) - len(names) for run in keyed),
        int(np.count_nonzero(same)) - len(compared),
        int(np.count_nonzero(~same)),
    )


def _labels(columns: Sequence[Sequence[ScoredImage]]) -> LabelArray:
    """`[runs, n]`, -1 for unknown."""
    return np.array(
        [[-1 if image.label is None else image.label for image in column] for column in columns],
        np.int8,
    )


def _one_file(columns: Sequence[Sequence[str]]) -> BoolArray:
    """Of which images all runs scored the same bytes, as far as these are known (not "")."""
    known = np.array(columns[0], object)
    same = np.full(len(known), fill_value=True)
    for digests in columns[1:]:
        column = np.array(digests, object)
        same &= (known == "") | (column == "") | (known == column)
        known = np.where(known == "", column, known)
    return same


def _by_key(
    images: Iterable[ScoredImage], key: Callable[[str], str] | None
) -> dict[str, ScoredImage]:
    listed = list(images)
    names = [image.path if key is None else key(image.path) for image in listed]
    found = dict(zip(names, listed, strict=True))
    if len(found) < len(listed):
        raise PairingError(_doubled(names, listed))
    return found


def _doubled(names: Sequence[str], images: Sequence[ScoredImage]) -> str:
    before: dict[str, str] = {}
    for name, image in zip(names, images, strict=True):
        if name in before:
            return (
                f"{before[name]} and {image.path} are both called {name}: imported scores know "
                "an image only by its name, so the two cannot be told apart"
            )
        before[name] = image.path
    raise AssertionError(names)


def _require_agreement(wrong: Sequence[str], runs: int) -> None:
    if wrong:
        count = "1 image" if len(wrong) == 1 else f"{len(wrong)} images"
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise PairingError(
            f"the {'two ' if runs == 2 else ''}runs disagree about the label of {count}: "
            f"{', '.join(wrong[:_NAMED])}{more}; find out which label is right, and enqueue or "
            "import that run again"
        )
