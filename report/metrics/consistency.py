"""Checks whether published figures can come from one 2x2 table.

The verdict is mlscorecheck's (Fazekas & Kovács 2024): it searches for counts of true positives and
true negatives that give every figure within its rounding. Exact arithmetic then lists the tables.
"""

import itertools
import logging
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, NamedTuple

import click

from report.metrics.confusion import Confusion

# The name of each figure in messages, and the names that are accepted for it.
NAMES = {
    "sens": ("sens", "sensitivity", "recall", "tpr"),
    "spec": ("spec", "specificity", "tnr"),
    "acc": ("acc", "accuracy"),
    "bacc": ("bacc", "balanced_accuracy"),
    "ppv": ("ppv", "precision"),
    "npv": ("npv",),
    "f1": ("f1", "f1_score"),
}
COUNTS = {"n_pos": ("n_pos", "malignant"), "n_neg": ("n_neg", "benign")}
# At most this many tables are shown, and at most this many pairs of counts are searched.
SHOWN, SEARCHED = 10, 1_000_000
MOST_IMAGES = 1_000_000
_KNOWN = {name: figure for figure, names in {**NAMES, **COUNTS}.items() for name in names}
_OF_ALL_SCORES = ("auc", "roc_auc", "auroc", "ap", "average_precision", "brier")


class CheckError(click.ClickException):
    """The figures cannot be checked as they were given."""

    exit_code = 2  # 1 is the answer "inconsistent"


class Published(NamedTuple):
    """A published figure, and half a unit of its last digit."""

    value: Fraction
    half: Fraction

    @property
    def low(self) -> Fraction:
        """The smallest value that rounds to the figure."""
        return self.value - self.half

    @property
    def high(self) -> Fraction:
        """The largest value that rounds to the figure."""
        return self.value + self.half


class Claim(NamedTuple):
    """The published numbers of images in each class, and figures by short name."""

    positives: int
    negatives: int
    figures: dict[str, Published]


class Verdict(NamedTuple):
    """Whether a table gives all figures; `tables` lists all such tables, or none if too many."""

    consistent: bool
    table_count: int
    tables: tuple[Confusion, ...]


def parse(text: str) -> Claim:
    """Read `n_pos=117 n_neg=483 sens=.675 spec=63.8%`; commas may stand between.

    Raises:
        CheckError: the text cannot be parsed; the message says why.
    """
    given: dict[str, str] = {}
    for part in re.split(r"[\s,;]+", text.strip(" \t\n,;")):
        name, equals, value = part.partition("=")
        figure = _known(name.lower()) if equals and value else None
        if figure is None:
            raise CheckError(f"{part!r} is not of the form sens=.675")
        if figure in given:
            raise CheckError(f"{figure} is given twice")
        given[figure] = value
    positives, negatives = _count(given, "n_pos"), _count(given, "n_neg")
    figures = {name: _figure(name, value) for name, value in given.items()}
    if not figures:
        raise CheckError(f"no figure is given: name one of {', '.join(NAMES)}, such as sens=.675")
    return Claim(positives, negatives, figures)


def check(claim: Claim) -> Verdict:
    """Look for 2x2 tables that give every figure of the claim."""
    found = _mlscorecheck(claim)
    table_count = int(found.get("n_valid_tptn_pairs", 0))
    if found["inconsistency"] or not table_count:
        return Verdict(consistent=False, table_count=0, tables=())
    if table_count > SHOWN:
        return Verdict(consistent=True, table_count=table_count, tables=())
    pairs = found["prefiltering_details"]
    tp, tn = _spans(pairs["tp"]), _spans(pairs["tn"])
    if sum(map(len, tp)) * sum(map(len, tn)) > SEARCHED:
        return Verdict(consistent=True, table_count=table_count, tables=())
    # mlscorecheck accepts any value for 0/0; an undefined figure cannot have been published.
    tables = tuple(_tables(claim, tp, tn))
    return Verdict(bool(tables), len(tables), tables)


def culprits(claim: Claim) -> list[str]:
    """Figures whose removal makes the others consistent; needs three or more figures."""
    if len(claim.figures) < 3:
        return []
    return [
        name
        for name in claim.figures
        if check(claim._replace(figures=_without(claim.figures, name))).consistent
    ]


def figure_of(name: str, table: Confusion) -> Fraction | None:
    """The exact value of a table's figure; None if it is undefined."""
    if name == "bacc":
        both = figure_of("sens", table), figure_of("spec", table)
        return None if both[0] is None or both[1] is None else (both[0] + both[1]) / 2
    tp, tn = table.tp, table.tn
    part, whole = {
        "sens": (tp, table.malignant),
        "spec": (tn, table.benign),
        "acc": (tp + tn, table.total),
        "ppv": (tp, table.positive),
        "npv": (tn, table.negative),
        "f1": (2 * tp, table.malignant + table.positive),
    }[name]
    return Fraction(part, whole) if whole else None


def _known(name: str) -> str | None:
    if name in _OF_ALL_SCORES:
        raise CheckError(
            f"{name} cannot be checked: it comes from all scores and not from one 2x2 table; "
            "leave it out"
        )
    if name not in _KNOWN:
        raise CheckError(f"{name!r} is not known: use {', '.join((*COUNTS, *NAMES))}")
    return _KNOWN[name]


def _count(given: dict[str, str], name: str) -> int:
    value = given.pop(name, "")
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= MOST_IMAGES:
        raise CheckError(f"{name} must be the number of images, 1 to {MOST_IMAGES:,}: {name}=117")
    return int(value)


def _figure(name: str, text: str) -> Published:
    percent = text.endswith("%")
    try:
        value = Decimal(text.removesuffix("%"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= (100 if percent else 1):
        raise CheckError(f"{name}={text} is not a number between 0 and 1 (or 0% and 100%)")
    exponent = int(value.as_tuple().exponent)
    if exponent >= 0 and not percent:
        raise CheckError(
            f"{name}={text} has no decimals to take its rounding from: write {name}={text}.00 "
            "with the zeros that were published"
        )
    scale = 100 if percent else 1
    return Published(Fraction(value) / scale, Fraction(10) ** exponent / 2 / scale)


def _mlscorecheck(claim: Claim) -> Mapping[str, Any]:
    logging.getLogger("mlscorecheck").setLevel(logging.ERROR)
    # Deferred: importing it takes half a second.
    from mlscorecheck.check.binary import (
        check_1_testset_no_kfold,
    )

    # The import resets the level, and mlscorecheck would then log every step.
    logging.getLogger("mlscorecheck").setLevel(logging.ERROR)
    names = {"f1": "f1p"}
    result: Mapping[str, Any] = check_1_testset_no_kfold(
        testset={"p": claim.positives, "n": claim.negatives},
        scores={names.get(k, k): float(figure.value) for k, figure in claim.figures.items()},
        eps={names.get(k, k): float(figure.half) for k, figure in claim.figures.items()},
        numerical_tolerance=1e-9,
    )
    return result


def _without(figures: dict[str, Published], name: str) -> dict[str, Published]:
    return {other: figure for other, figure in figures.items() if other != name}


def _spans(intervals: Any) -> list[range]:  # noqa: ANN401 - mlscorecheck has no types
    # mlscorecheck does not put the interval of a single figure into a list.
    intervals = [intervals] if isinstance(intervals, tuple) else intervals
    return [range(int(low), int(high) + 1) for low, high in intervals]


def _tables(claim: Claim, tp: list[range], tn: list[range]) -> Iterator[Confusion]:
    """Every table with these counts that gives all figures."""
    for positives, negatives in itertools.product(itertools.chain(*tp), itertools.chain(*tn)):
        table = Confusion(
            tp=positives,
            fp=claim.negatives - negatives,
            tn=negatives,
            fn=claim.positives - positives,
        )
        if all(_gives(table, name, figure) for name, figure in claim.figures.items()):
            yield table


def _gives(table: Confusion, name: str, published: Published) -> bool:
    exact = figure_of(name, table)
    return exact is not None and published.low <= exact <= published.high
