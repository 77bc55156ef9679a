"""The page's forest plots: figures of subgroups as intervals on a common line from 0 to 1."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

from base.console.foreign import shown
from report.metrics.estimate import Estimate
from report.metrics.metrics import Metrics
from report.metrics.subgroups import Subgroup
from report.render.tables import short
from report.report_model import Report

WIDTH, MARGIN = 200.0, 6.0  # SVG units of one row's drawing


class Bar(NamedTuple):
    """A value with its interval, in SVG units and as text; only text if it is undefined."""

    kind: Literal["malignant", "benign", "model"]
    name: str
    words: str
    x: float | None = None
    low: float | None = None
    high: float | None = None


class SubgroupRow(NamedTuple):
    """A subgroup with its numbers of images, and its bars or the reason why they are missing."""

    value: str
    images: int
    malignant: int
    bars: tuple[Bar, ...]
    suppressed: str | None


@dataclass(frozen=True, slots=True)
class SubgroupTable:
    """The subgroups of one attribute below the figures of all images."""

    column: str
    whole: SubgroupRow
    rows: tuple[SubgroupRow, ...]


def forest_tables(report: Report) -> list[SubgroupTable]:
    """A table for each requested attribute, led by the figures of all images."""
    table, bars = report.figures.confusion, tuple(_bars(report.figures))
    whole = SubgroupRow("all images", table.total, table.malignant, bars, None)
    return [
        SubgroupTable(shown(column), whole, tuple(map(_row, rows)))
        for column, rows in groupby(report.subgroups, key=lambda subgroup: subgroup.column)
    ]


def _row(subgroup: Subgroup) -> SubgroupRow:
    value = "unknown" if subgroup.value is None else shown(subgroup.value)
    bars = () if subgroup.suppressed else tuple(_bars(subgroup))
    table = subgroup.confusion
    return SubgroupRow(value, table.total, table.malignant, bars, subgroup.suppressed)


def _bars(figures: Subgroup | Metrics) -> Iterator[Bar]:
    yield _bar("malignant", "sensitivity", figures.sensitivity)
    yield _bar("benign", "specificity", figures.specificity)
    yield _bar("model", "ROC AUC", figures.roc_auc)


def _bar(kind: Literal["malignant", "benign", "model"], name: str, figure: Estimate) -> Bar:
    x, low, high = map(_svg_x, (figure.value, figure.low, figure.high))
    return Bar(kind, name, short(figure), x, low, high)


def _svg_x(value: float | None) -> float | None:
    return None if value is None else MARGIN + (WIDTH - 2 * MARGIN) * value
