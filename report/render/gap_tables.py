"""The gaps of subgroups to the rest as tables, for text and Markdown, and for JSON and CSV."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from base.console.foreign import shown
from report.metrics.estimate import Difference
from report.metrics.subgroups import Gap, Subgroup
from report.render.numbers import p_text
from report.render.tables import percent, short
from report.table import Table

FIGURES = ("sensitivity", "specificity", "roc_auc")


def gap_tables(subgroups: Sequence[Subgroup], confidence: float) -> list[Table]:
    """A table for each attribute of which a subgroup has a gap that is shown."""
    tables = []
    for column, its in groupby(subgroups, key=lambda subgroup: subgroup.column):
        rows = [
            (shown(one.value or ""), *(_cell(getattr(one.gap, name)) for name in FIGURES))
            for one in its
            if one.gap is not None and one.suppressed is None
        ]
        how = f"{percent(confidence)} interval; p by Holm"
        title = f"less all others of known {shown(column)} ({how})"
        if rows:
            tables.append(Table((title, "sensitivity", "specificity", "ROC AUC"), tuple(rows)))
    return tables


def gap_dict(gap: Gap | None) -> dict[str, Any] | None:
    """The gap's entry in JSON; null for a subgroup of unknown value."""
    if gap is None:
        return None
    rest = gap.rest
    counts = {"images": rest.total, "malignant": rest.malignant, "benign": rest.benign}
    return {"rest": counts, **{name: _figure(getattr(gap, name)) for name in FIGURES}}


def gap_rows(gap: Mapping[str, Any] | None, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The names and figures of the gap's rows in CSV."""
    if gap is None:
        return
    for name in FIGURES:
        figure = gap[name]
        yield f"{name}_gap{where}", figure
        reason = {} if figure["p"] is not None else {"reason": figure.get("reason")}
        yield f"{name}_gap_p{where}", {"value": figure["p"], **reason}
        yield f"{name}_gap_p_holm{where}", {"value": figure["p_holm"], **reason}


def _cell(gap: Difference) -> str:
    reason = "" if gap.value is None or gap.reason is None else f" ({gap.reason})"
    p = "" if gap.adjusted is None else f", {p_text(gap.adjusted)}"
    plus = "+" if gap.value is not None and gap.value > 0 else ""
    return f"{plus}{short(gap)}{reason}{p}"


def _figure(gap: Difference) -> dict[str, Any]:
    ends = {"value": gap.value, "low": gap.low, "high": gap.high}
    ps = {"p": gap.p, "p_holm": gap.adjusted}
    return {**ends, **ps, **({} if gap.reason is None else {"reason": gap.reason})}
