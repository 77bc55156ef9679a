"""A comparison of two runs as text, JSON, and CSV of the images whose answer changed."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from base.console.foreign import for_csv, shown
from report.loading.pairing import LeftOut, Pairs
from report.loading.read_run import LoadedRun
from report.metrics.comparing import Comparison, McNemar
from report.metrics.estimate import Estimate
from report.render.formats import auc_fields, checkpoint_dict, threshold_dict
from report.render.tables import percent, short, threshold_line, warnings_of
from report.render.text import render_parts
from report.report_model import RunFacts
from report.table import Table
from report.thresholds.threshold import Threshold
from report.thresholds.threshold_text import score_text

# How many changed images the text lists; JSON and CSV list all.
LISTED = 20
_CHANGED = ("path", "label", "score_a", "score_b", "positive_a", "positive_b")


class Compared(NamedTuple):
    """Everything that a comparison shows; `runs` and `thresholds` are those of A and B."""

    runs: tuple[LoadedRun, LoadedRun]
    thresholds: tuple[Threshold, Threshold]
    pairs: Pairs
    comparison: Comparison


def as_text(compared: Compared, *, terminal: bool) -> str:
    """The comparison as tables for a reader."""
    sides = list(zip("AB", compared.runs, compared.thresholds, strict=True))
    lead = [
        f"{side}: {describe(loaded.run)}, {threshold_line(threshold)}"
        for side, loaded, threshold in sides
    ]
    lead += [
        f"{side}: {warning}"
        for side, loaded, threshold in sides
        for warning in warnings_of(loaded.checkpoint, loaded.flow, threshold)
    ]
    tables = (_flow(compared), _figures(compared.comparison), _answers(compared.comparison))
    return render_parts([*lead, *tables, *_changed_lines(compared)], terminal=terminal)


def as_json(compared: Compared) -> str:
    """One object; undefined values are null, with a reason."""
    return json.dumps(_as_dict(compared), indent=2, allow_nan=False)


def as_csv(compared: Compared) -> str:
    """A row for each image whose answer changed."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_CHANGED)
    writer.writerows(
        (for_csv(path), label, a, b, int(first), int(second))
        for path, label, a, b, first, second in _changed(compared)
    )
    return lines.getvalue().rstrip("\n")


def describe(run: RunFacts) -> str:
    """A run's number and, if it has one, its name."""
    return f"run {run.number}{f' ({shown(run.name)})' if run.name else ''}"


def _changed(compared: Compared) -> Iterator[tuple[str, int, float, float, bool, bool]]:
    pairs, (first, second) = compared.pairs, compared.comparison.positive
    for index in compared.comparison.changed:
        a, b = pairs.scores[:, index]
        yield (
            pairs.paths[index],
            int(pairs.labels[index]),
            float(a),
            float(b),
            bool(first[index]),
            bool(second[index]),
        )


def _flow(compared: Compared) -> Table:
    left_out, labels = compared.pairs.left_out, compared.pairs.labels
    malignant = int(labels.sum())
    return Table(
        ("images", "", ""),
        (
            ("compared", str(len(labels)), f"{malignant} malignant, scored in both and labelled"),
            ("only A scored", str(left_out.only_a), "left out"),
            ("only B scored", str(left_out.only_b), "left out"),
            ("without a label", str(left_out.unlabelled), "left out"),
            ("of other bytes", str(left_out.other_bytes), "left out: not the same file in both"),
        ),
        frozenset({1}),
    )


def _figures(comparison: Comparison) -> Table:
    test = comparison.auc_test
    (a, b), (sensitivity_a, sensitivity_b) = comparison.aucs, comparison.malignant.right
    specificity_a, specificity_b = comparison.benign.right
    return Table(
        (f"figure ({percent(comparison.confidence)} interval)", "A", "B", "A − B"),
        (
            ("ROC AUC", short(a), short(b), "n/a" if test is None else _difference(comparison)),
            ("sensitivity", short(sensitivity_a), short(sensitivity_b), ""),
            ("specificity", short(specificity_a), short(specificity_b), ""),
        ),
    )


def _difference(comparison: Comparison) -> str:
    test = comparison.auc_test
    if test is None:
        return "n/a"
    interval = Estimate(test.difference, low=test.interval.low, high=test.interval.high)
    note = f"p = {test.p:.3g}" if test.p is not None else f"no test: {test.reason}"
    return f"{short(interval)}, {note} (DeLong, paired)"


def _answers(comparison: Comparison) -> Table:
    return Table(
        ("answers that differ", "positive with A only", "positive with B only", "McNemar, exact"),
        (
            ("malignant", *_sides(comparison.malignant)),
            ("benign", *_sides(comparison.benign)),
        ),
        frozenset({1, 2}),
    )


def _sides(test: McNemar) -> tuple[str, str, str]:
    note = f"p = {test.p:.3g}" if test.p is not None else f"n/a ({test.reason})"
    return str(test.only_a_positive), str(test.only_b_positive), note


def _changed_lines(compared: Compared) -> list[str | Table]:
    count = len(compared.comparison.changed)
    if not count:
        return ["no image changed sides"]
    # Malignant images first: there, a change means a melanoma found or missed.
    listed = sorted(_changed(compared), key=lambda row: -row[1])[:LISTED]
    rest = f", the first {LISTED} of them (--format csv lists all)" if count > LISTED else ""
    at_a, at_b = (threshold.value for threshold in compared.thresholds)
    rows = tuple(
        (shown(path), "malignant" if label else "benign", _scored(a, at_a), _scored(b, at_b))
        for path, label, a, b, *_ in listed
    )
    table = Table(("image", "truth", "A", "B"), rows)
    return [f"{count} image{'' if count == 1 else 's'} changed sides{rest}", table]


def _scored(score: float, threshold: float) -> str:
    answer = "positive" if score >= threshold else "negative"
    return f"{score_text(score, threshold, 4)} {answer}"


def _as_dict(compared: Compared) -> dict[str, Any]:
    comparison = compared.comparison
    sides = {
        name: {
            "run": asdict(loaded.run),
            "checkpoint": checkpoint_dict(loaded.checkpoint),
            "threshold": threshold_dict(threshold),
        }
        for name, loaded, threshold in zip("ab", compared.runs, compared.thresholds, strict=True)
    }
    return {
        **sides,
        "images": _counts(len(compared.pairs.paths), compared.pairs.left_out),
        "confidence": comparison.confidence,
        "roc_auc": _auc_dict(comparison),
        "malignant": _mcnemar_dict(comparison.malignant, "sensitivity"),
        "benign": _mcnemar_dict(comparison.benign, "specificity"),
        "changed": [dict(zip(_CHANGED, row, strict=True)) for row in _changed(compared)],
    }


def _counts(compared: int, left_out: LeftOut) -> dict[str, int]:
    return {"compared": compared, **left_out._asdict()}


def _auc_dict(comparison: Comparison) -> dict[str, Any]:
    a, b = map(_figure_dict, comparison.aucs)
    test = comparison.auc_test
    if test is None:
        reason = comparison.aucs[0].reason
        difference = _figure_dict(Estimate(None, reason))
        return {"a": a, "b": b, "difference": difference, "z": None, "p": None, "reason": reason}
    interval = test.interval
    difference = _figure_dict(
        Estimate(test.difference, interval.reason, low=interval.low, high=interval.high)
    )
    note = {} if test.reason is None else {"reason": test.reason}
    return {"a": a, "b": b, "difference": difference, "z": test.z, "p": test.p, **note}


def _mcnemar_dict(test: McNemar, figure: str) -> dict[str, Any]:
    a, b = map(_figure_dict, test.right)
    note = {} if test.reason is None else {"reason": test.reason}
    return {
        figure: {"a": a, "b": b},
        "only_a_positive": test.only_a_positive,
        "only_b_positive": test.only_b_positive,
        "p": test.p,
        **note,
    }


def _figure_dict(figure: Estimate) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": figure.value, "low": figure.low, "high": figure.high}
    reason = {} if figure.reason is None else {"reason": figure.reason}
    return {**shown, **reason, **auc_fields(figure)}
