"""A comparison of two runs for machines: JSON, and CSV of the images whose answer changed."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from base.console.foreign import for_csv
from report.comparing.margin import NonInferiority
from report.comparing.two_runs import Comparison, McNemar
from report.loading.apart import Apart
from report.loading.pair_clusters import PairClusters
from report.loading.pairing import Pairs
from report.loading.read_run import LoadedRun
from report.metrics.estimate import Estimate
from report.render.comparison.two_views import Compared, changed_rows
from report.render.formats import auc_fields, checkpoint_dict, threshold_dict
from report.thresholds.threshold import Threshold

_CHANGED = ("path", "label", "score_a", "score_b", "positive_a", "positive_b")
_FIGURE = ("figure", "value", "low", "high", "p", "reason")


def as_json(compared: Compared) -> str:
    """One object; undefined values are null, with a reason."""
    return json.dumps(_as_dict(compared), indent=2, allow_nan=False)


def as_csv(compared: Compared) -> str:
    """A row for each image whose answer changed; a row for each figure where none can change."""
    if not compared.comparison.by_image:
        return csv_text(_FIGURE, figure_rows(_as_dict(compared)))
    return csv_text(
        _CHANGED,
        (
            (path, label, a, b, int(first), int(second))
            for path, label, a, b, first, second in changed_rows(compared)
        ),
    )


def csv_text(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file as text, safe for spreadsheets."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([for_csv(cell) for cell in row] for row in rows)
    return lines.getvalue().rstrip("\n")


def figure_rows(whole: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """The figures of the JSON object, one in a row."""
    auc, malignant, benign = whole["roc_auc"], whole["malignant"], whole["benign"]
    for name, values, p in (
        ("roc_auc", auc, auc["p"]),
        ("sensitivity", malignant["sensitivity"], malignant["p"]),
        ("specificity", benign["specificity"], benign["p"]),
    ):
        for side in ("a", "b", "difference"):
            figure = values[side]
            ends = figure["value"], figure["low"], figure["high"]
            tested = p if side == "difference" else None
            yield (f"{name}_{side}", *ends, tested, figure.get("reason"))


def figure_dict(figure: Estimate) -> dict[str, Any]:
    """A value and the ends of its interval, with the reason why one of them is missing."""
    shown: dict[str, Any] = {"value": figure.value, "low": figure.low, "high": figure.high}
    reason = {} if figure.reason is None else {"reason": figure.reason}
    return {**shown, **reason, **auc_fields(figure)}


def cluster_dict(clusters: PairClusters | None) -> dict[str, Any] | None:
    """The clusters of the compared images; None if they are independent."""
    if clusters is None:
        return None
    return {"column": clusters.column, "clusters": clusters.total, "alone": clusters.alone}


def side_dict(loaded: LoadedRun, threshold: Threshold | None) -> dict[str, Any]:
    """A run, its checkpoint and its threshold, which may be null."""
    return {
        "run": asdict(loaded.run),
        "checkpoint": checkpoint_dict(loaded.checkpoint),
        "threshold": None if threshold is None else threshold_dict(threshold),
    }


def _as_dict(compared: Compared) -> dict[str, Any]:
    comparison = compared.comparison
    rows = [dict(zip(_CHANGED, row, strict=True)) for row in changed_rows(compared)]
    return {
        **dict(zip("ab", map(side_dict, compared.runs, compared.thresholds), strict=True)),
        "paired": not isinstance(compared.images, Apart),
        "images": _images_dict(compared.images),
        "cluster": cluster_dict(compared.clusters),
        "confidence": comparison.confidence,
        "roc_auc": _auc_dict(comparison),
        "malignant": _answers_dict(comparison.malignant, "sensitivity"),
        "benign": _answers_dict(comparison.benign, "specificity"),
        "changed": rows if comparison.by_image else None,
        "non_inferiority": _margin_dict(compared),
    }


def _images_dict(images: Pairs | Apart) -> dict[str, int]:
    if isinstance(images, Apart):
        a, b = map(len, images.labels)
        return {"compared_a": a, "compared_b": b, **images.left_out._asdict()}
    return {"compared": len(images.paths), **images.left_out._asdict()}


def _auc_dict(comparison: Comparison) -> dict[str, Any]:
    a, b = map(figure_dict, comparison.aucs)
    difference, test = figure_dict(comparison.auc_difference), comparison.auc_test
    if test is None:
        reason = comparison.auc_difference.reason
        return {"a": a, "b": b, "difference": difference, "z": None, "p": None, "reason": reason}
    tested: dict[str, Any] = {"z": test.z} | ({} if test.df is None else {"df": test.df})
    note = {} if test.reason is None else {"reason": test.reason}
    return {"a": a, "b": b, "difference": difference, **tested, "p": test.p, **note}


def _answers_dict(test: McNemar, figure: str) -> dict[str, Any]:
    a, b = map(figure_dict, test.right)
    note = {} if test.reason is None else {"reason": test.reason}
    return {
        figure: {"a": a, "b": b, "difference": figure_dict(test.difference)},
        "only_a_positive": test.only_a_positive,
        "only_b_positive": test.only_b_positive,
        "p": test.p,
        **note,
    }


def _margin_dict(compared: Compared) -> dict[str, Any] | None:
    if compared.margin is None:
        return None
    return {
        "margin": compared.margin,
        "alpha": compared.alpha,
        **{name: _shown(found) for name, found in compared.non_inferior().items()},
    }


def _shown(found: NonInferiority) -> dict[str, Any]:
    note = {} if found.reason is None else {"reason": found.reason}
    return {"bound": found.bound, "not_inferior": found.shown, **note}
