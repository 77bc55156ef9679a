"""What one `--by` says: a column, columns to cross, and where to cut their numbers. Pure."""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import click

from base.console.foreign import shown
from report.grouping.bands import between, in_decades, is_ages, number
from report.grouping.coded import Coded
from report.grouping.crossing import crossed

# A column with more different values holds numbers or names, not subgroups.
MOST_VALUES = 50


class NoSuchColumnError(click.ClickException):
    """The images cannot be grouped by this column."""


class _Part(NamedTuple):
    column: str
    cuts: tuple[float, ...] = ()


def columns_of(by: Sequence[str]) -> list[str]:
    """Each column that may be needed, once; `sex,age` may also be one column of that name."""
    names = [name for said in by for name in (said, *(part.column for part in _parts(said)))]
    return list(dict.fromkeys(names))


def missing(by: Sequence[str], found: Container[str]) -> Iterator[str]:
    """The columns that are asked for and not `found`."""
    return (part.column for said in by for part in _wanted(said, found) if part.column not in found)


def arranged(said: str, found: Mapping[str, Coded]) -> Coded:
    """The subgroups that a `--by` asks for.

    Args:
        said: a column; `sex,age`, columns to cross; or `age:20,40,60`, a column and its cuts.
        found: the columns of `columns_of` that an image has; none may be `missing`.

    Raises:
        NoSuchColumnError: a column cannot be cut so, or there are too many values.
    """
    parts = _wanted(said, found)
    each = [_of_part(said, part, found[part.column]) for part in parts]
    coded = each[0] if len(each) == 1 else crossed(each)
    if len(coded.values) > MOST_VALUES:
        raise NoSuchColumnError(
            f"--by {said}: {len(coded.values)} different values are no subgroups (at most "
            f"{MOST_VALUES}); {_instead(parts, coded)}"
        )
    return coded


def _wanted(said: str, found: Container[str]) -> list[_Part]:
    return [_Part(said)] if said in found else _parts(said)


def _parts(said: str) -> list[_Part]:
    """`sex,age:20,40` as sex, and age with two cuts."""
    parts: list[_Part] = []
    for piece in said.split(","):
        cut = number(piece)
        if cut is not None and parts and parts[-1].cuts:
            parts[-1] = _Part(parts[-1].column, (*parts[-1].cuts, cut))
            continue
        column, _, first = piece.rpartition(":")
        cut = number(first) if column else None
        parts.append(_Part(piece) if cut is None else _Part(column, (cut,)))
    return parts


def _of_part(said: str, part: _Part, coded: Coded) -> Coded:
    if not part.cuts:
        return in_decades(coded) if is_ages(part.column, coded.values) else coded
    if any(high <= low for low, high in pairwise(part.cuts)):
        raise NoSuchColumnError(f"--by {said}: give the cuts in rising order, such as 20,40,60")
    try:
        return between(coded, part.cuts)
    except ValueError as error:
        raise NoSuchColumnError(
            f"--by {said}: {shown(part.column)} cannot be cut, because {shown(str(error))} is not "
            "a number"
        ) from None


def _instead(parts: Sequence[_Part], coded: Coded) -> str:
    if len(parts) > 1:
        return "cross fewer columns, or cut their numbers, as in --by sex,age:40,60"
    if all(number(value) is not None for value in coded.values if value is not None):
        return f"cut its numbers into bands, as in --by {shown(parts[0].column)}:20,40,60"
    return "give the manifest a column of fewer"
