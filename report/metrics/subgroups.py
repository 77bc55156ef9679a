"""Figures by subgroup. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import Confusion, confusion
from report.metrics.estimate import Difference, Estimate, Proportion
from report.metrics.proportions import sensitivity, specificity
from report.metrics.ranking import roc_auc

# With fewer malignant or benign images, a subgroup's figures are too uncertain to show.
SMALLEST = 10
# What tables write in a cell whose value they do not have.
_UNKNOWN = frozenset({"", "unknown", "not known", "missing", "na", "n/a", "nan", "null", "?"})


@dataclass(frozen=True, slots=True)
class Groups:
    """Images grouped by one attribute; the arrays are `[analysed]`.

    `codes` are indices into `values`; images without the attribute have the value None. `in_order`
    says that the values are in the order in which they are shown.
    """

    column: str
    values: tuple[str | None, ...]
    codes: npt.NDArray[np.integer]
    labels: LabelArray
    scores: Float64Array
    in_order: bool = False


class Gap(NamedTuple):
    """A subgroup's figures minus those of the `rest`, the other images of a known value."""

    rest: Confusion
    sensitivity: Difference
    specificity: Difference
    roc_auc: Difference


@dataclass(frozen=True, slots=True)
class Subgroup:
    """The images with this value of the attribute `column`, or without it if None."""

    column: str
    value: str | None
    confusion: Confusion
    sensitivity: Proportion
    specificity: Proportion
    roc_auc: Estimate
    gap: Gap | None = None

    @property
    def suppressed(self) -> str | None:
        """Why the figures are not shown; None if they are."""
        return too_few(self.confusion)


def by_subgroup(
    groups: Sequence[Groups], threshold: float, confidence: float = 0.95
) -> tuple[Subgroup, ...]:
    """Sensitivity, specificity and ROC AUC for each value of each attribute, in order of value."""
    return tuple(
        _subgroup(attribute, code, threshold, confidence)
        for attribute in groups
        for code in _shown_codes(attribute)
    )


def too_few(table: Confusion) -> str | None:
    """Why a subgroup is too small to show; None if it has enough images."""
    few = [
        f"{count} {name}"
        for count, name in ((table.malignant, "malignant"), (table.benign, "benign"))
        if count < SMALLEST
    ]
    return f"under {SMALLEST}: {' and '.join(few)}" if few else None


def _subgroup(groups: Groups, code: int, threshold: float, confidence: float) -> Subgroup:
    members = groups.codes == code
    labels, scores = groups.labels[members], groups.scores[members]
    table = confusion(labels, scores, threshold)
    column, value = groups.column, groups.values[code]
    if (few := too_few(table)) is not None:
        suppressed = Proportion(None, few)
        return Subgroup(column, value, table, suppressed, suppressed, Estimate(None, few))
    return Subgroup(
        column,
        value,
        table,
        sensitivity(table, "", confidence),
        specificity(table, "", confidence),
        roc_auc(labels, scores, "", confidence),
    )


def _shown_codes(groups: Groups) -> Sequence[int]:
    return range(len(groups.values)) if groups.in_order else order_of(groups.values)


def is_known(value: str | None) -> bool:
    """Whether a value says something; `unknown` and `NA` do not."""
    return value is not None and value.strip().casefold() not in _UNKNOWN


def order_of(values: Sequence[str | None]) -> list[int]:
    """Numbers in order of size, words in alphabetical order, unknown last."""
    known = [code for code, value in enumerate(values) if value is not None]
    numbers = [_as_number(values[code]) for code in known]
    if None in numbers:
        known.sort(key=lambda code: values[code] or "")
    else:
        known.sort(key=lambda code: _as_number(values[code]) or 0.0)
    return known + [code for code, value in enumerate(values) if value is None]


def _as_number(value: str | None) -> float | None:
    try:
        return float(value or "")
    except ValueError:
        return None
