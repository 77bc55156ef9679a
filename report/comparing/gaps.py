"""Each subgroup's gap to the rest: the other analysed images whose value is known. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact  # type: ignore[import-untyped] # it ships no types

from base.arrays import Float64Array, LabelArray
from report.comparing.holm import holm
from report.comparing.unpaired import unpaired_difference, unpaired_test
from report.metrics.confusion import Confusion, confusion
from report.metrics.delong import DeLong, delong
from report.metrics.estimate import Difference, Proportion
from report.metrics.proportions import sensitivity, specificity
from report.metrics.subgroups import Gap, Groups, Subgroup, is_known, too_few

_FIGURES = ("sensitivity", "specificity", "roc_auc")


class _Side(NamedTuple):
    """A subgroup, or the rest; `auc` is None where `few` says that it is too small."""

    table: Confusion
    few: str | None
    auc: DeLong | None


def with_gaps(
    subgroups: Sequence[Subgroup],
    groups: Sequence[Groups],
    threshold: float,
    confidence: float = 0.95,
) -> tuple[Subgroup, ...]:
    """The subgroups, each with its gap to the rest; one of unknown value has none.

    Sensitivity and specificity: Newcombe's hybrid score interval and Fisher's exact test. AUC:
    DeLong's test for different images. p is adjusted by Holm over the gaps of a column, for each
    figure by itself. Of two subgroups both gaps are one test, so there is nothing to adjust.
    """
    found: dict[tuple[str, str | None], Gap] = {
        (attribute.column, value): gap
        for attribute in groups
        for value, gap in _of_column(attribute, threshold, confidence).items()
    }
    return tuple(replace(one, gap=found.get((one.column, one.value))) for one in subgroups)


def _of_column(groups: Groups, threshold: float, confidence: float) -> dict[str, Gap]:
    codes = {
        code: value
        for code, value in enumerate(groups.values)
        if value is not None and is_known(value)
    }
    known = np.flatnonzero(np.isin(groups.codes, list(codes)))
    # In order of score, so that sorting parts of it takes little time.
    known = known[np.argsort(groups.scores[known], kind="stable")]
    labels, scores, its = groups.labels[known], groups.scores[known], groups.codes[known]
    sides = {code: _side(labels[its == code], scores[its == code], threshold) for code in codes}
    if len(codes) == 2:  # then the rest is the other one
        first, second = sides.values()
        gaps = [_gap(first, second, confidence), _gap(second, first, confidence)]
    else:
        rests = (_side(labels[its != code], scores[its != code], threshold) for code in codes)
        pairs = zip(sides.values(), rests, strict=True)
        gaps = _adjusted([_gap(group, rest, confidence) for group, rest in pairs])
    return dict(zip(codes.values(), gaps, strict=True))


def _side(labels: LabelArray, scores: Float64Array, threshold: float) -> _Side:
    table = confusion(labels, scores, threshold)
    few = too_few(table)
    return _Side(table, few, None if few else delong(labels, scores[None]))


def _gap(group: _Side, rest: _Side, confidence: float) -> Gap:
    if group.auc is None or rest.auc is None:
        nothing = "no image has another known value"
        beside = f"the rest: {rest.few}" if rest.table.total else nothing
        none = Difference(None, group.few or beside)
        return Gap(rest.table, none, none, none)
    first, second = group.table, rest.table
    test = unpaired_test(group.auc, rest.auc, (first.total, second.total), confidence)
    low, high, why = test.interval
    return Gap(
        second,
        _of_proportions(sensitivity(first, "", confidence), sensitivity(second, "", confidence)),
        _of_proportions(specificity(first, "", confidence), specificity(second, "", confidence)),
        Difference(test.difference, why, low, high, test.p, test.p),
    )


def _of_proportions(first: Proportion, second: Proportion) -> Difference:
    gap = unpaired_difference(first, second)
    table = [[one.count, one.total - one.count] for one in (first, second)]
    p = float(fisher_exact(table).pvalue)
    return Difference(gap.value, gap.reason, gap.low, gap.high, p, p)


def _adjusted(gaps: Sequence[Gap]) -> list[Gap]:
    """The same gaps, with p adjusted among those of each figure."""
    rests = [gap.rest for gap in gaps]
    figures = [_by_holm([getattr(gap, name) for gap in gaps]) for name in _FIGURES]
    return [Gap(*parts) for parts in zip(rests, *figures, strict=True)]


def _by_holm(figures: Sequence[Difference]) -> list[Difference]:
    ps = holm([figure.p for figure in figures])
    return [replace(figure, adjusted=p) for figure, p in zip(figures, ps, strict=True)]
