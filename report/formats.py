"""The report for machines: JSON and CSV, every figure in full precision."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from report.contents import Report
from report.metrics import Accuracy, Figure, Proportion

# In the order they are printed; the names are those of `report.metrics.Figures`.
FIGURES = ("sensitivity", "specificity", "accuracy", "balanced_accuracy", "roc_auc")

Row = tuple[str, Any, Any, Any, str | None]


def as_json(report: Report) -> str:
    """One object. A figure that is undefined has the value null and a reason."""
    return json.dumps(as_dict(report), indent=2, allow_nan=False)


def as_dict(report: Report) -> dict[str, Any]:
    """The JSON object before it is text. Keys are only ever added, never renamed."""
    threshold: dict[str, Any] = {"value": report.threshold.value, "kind": report.threshold.kind}
    if report.threshold.how is not None:
        threshold["how"] = report.threshold.how
    return {
        "run": asdict(report.run),
        "checkpoint": asdict(report.checkpoint),
        "flow": asdict(report.flow),
        "threshold": threshold,
        "confusion": asdict(report.figures.confusion),
        **{name: _figure(getattr(report.figures, name)) for name in FIGURES},
    }


def as_csv(report: Report) -> str:
    """Rows `figure,value,low,high,reason`; an empty cell is an undefined or absent value."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("figure", "value", "low", "high", "reason"))
    writer.writerows(_rows(report))
    return lines.getvalue().rstrip("\n")


def _figure(figure: Figure) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": figure.value}
    if isinstance(figure, Proportion):
        shown |= {"low": figure.low, "high": figure.high}
    if isinstance(figure, Accuracy):
        shown["baseline"] = figure.baseline
    if figure.reason is not None:
        shown["reason"] = figure.reason
    return shown


def _rows(report: Report) -> Iterator[Row]:
    whole = as_dict(report)
    yield _plain("run", report.run.number)
    yield _plain("checkpoint", report.checkpoint.digest)
    yield _plain("precision", report.run.precision)
    yield _plain("synthetic", str(report.checkpoint.synthetic).lower())
    errors = whole["flow"].pop("errors")
    yield from (_plain(name, number) for name, number in whole["flow"].items())
    yield from (_plain(f"error_{code}", number) for code, number in errors.items())
    yield _plain("threshold", report.threshold.value)
    yield _plain("threshold_kind", report.threshold.kind)
    yield from (_plain(cell, number) for cell, number in whole["confusion"].items())
    for name in FIGURES:
        shown = whole[name]
        yield name, shown["value"], shown.get("low"), shown.get("high"), shown.get("reason")
    accuracy = report.figures.accuracy
    yield "accuracy_baseline", accuracy.baseline, None, None, accuracy.reason


def _plain(name: str, value: object) -> Row:
    return name, value, None, None, None
