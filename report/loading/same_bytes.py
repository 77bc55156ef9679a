"""Images of a run that have the same bytes: copies, or one image under two names. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import click

from db.queries.report.copies import Copy
from report.report_model import Flow, both_labels


class CopiesError(click.ClickException):
    """Images of the same bytes cannot be analysed once; the message names two of them."""


class SameBytes(NamedTuple):
    """Images whose bytes another image of the run has, too.

    `left_out` are the ids of all but one for each file: the first that has a label, else the first.
    `pair` are the paths of a copy and of the image that is kept; `conflicting` files carry both
    labels, and `opposed` are the paths of a malignant and a benign image of the first of them.
    """

    left_out: frozenset[int] = frozenset()
    conflicting: int = 0
    pair: tuple[str, ...] = ()
    opposed: tuple[str, ...] = ()


def same_bytes(copies: Iterable[Copy]) -> SameBytes:
    """What is said of images that share their bytes, given those of the same bytes in a row."""
    groups = [list(group) for _, group in groupby(copies, key=lambda copy: copy.digest)]
    if not groups:
        return SameBytes()
    groups.sort(key=lambda group: group[0].id)
    kept = [_kept(group) for group in groups]
    opposed = [pair for group in groups if (pair := _opposed(group))]
    first = next(copy for copy in groups[0] if copy != kept[0])
    return SameBytes(
        frozenset(copy.id for group in groups for copy in group) - {copy.id for copy in kept},
        len(opposed),
        (first.path, kept[0].path),
        opposed[0] if opposed else (),
    )


def refuse_both_labels(flow: Flow) -> None:
    """Refuse to choose between two labels of the same bytes.

    Raises:
        CopiesError: a file carries both labels.
    """
    if flow.conflicting:
        raise CopiesError(
            f"--unique: {both_labels(flow, named=True)}: correct one label of each, and enqueue "
            "the source again with --relabel, or leave out --unique"
        )


def _kept(group: Sequence[Copy]) -> Copy:
    return next((copy for copy in group if copy.label is not None), group[0])


def _opposed(group: Sequence[Copy]) -> tuple[str, ...]:
    """The first malignant and the first benign image of a file that carries both labels."""
    paths = {copy.label: copy.path for copy in reversed(group)}
    return (paths[1], paths[0]) if {0, 1} <= paths.keys() else ()
