"""A comparison of more than two runs for machines: JSON, and CSV of its figures."""

import json
from collections.abc import Iterator
from typing import Any

from report.comparing.several_runs import PairTest
from report.metrics.estimate import Estimate
from report.render.comparison.several_views import ComparedSeveral
from report.render.comparison.two_formats import cluster_dict, csv_text, figure_dict, side_dict

_FIGURE = ("figure", "value", "low", "high", "p", "p_holm", "reason")


def as_json(compared: ComparedSeveral) -> str:
    """One object; undefined values are null, with a reason."""
    return json.dumps(_as_dict(compared), indent=2, allow_nan=False)


def as_csv(compared: ComparedSeveral) -> str:
    """A row for each figure of each run, and for each pair of runs, by their numbers."""
    return csv_text(_FIGURE, _rows(_as_dict(compared)))


def _as_dict(compared: ComparedSeveral) -> dict[str, Any]:
    shared, found = compared.shared, compared.found
    return {
        "images": {
            "compared": len(shared.paths),
            "unlabelled": shared.unlabelled,
            "other_bytes": shared.other_bytes,
        },
        "cluster": cluster_dict(compared.clusters),
        "confidence": found.confidence,
        "runs": [_run(compared, at) for at in range(len(compared.runs))],
        "pairs": [_pair(compared, pair) for pair in found.pairs],
    }


def _run(compared: ComparedSeveral, at: int) -> dict[str, Any]:
    found = compared.found
    rank = found.ranks[at]._asdict() if found.ranks else None
    return {
        **side_dict(compared.runs[at], compared.thresholds[at]),
        "not_in_all": compared.shared.not_in_all[at],
        "roc_auc": figure_dict(found.aucs[at]),
        "sensitivity": figure_dict(found.sensitivities[at]),
        "specificity": figure_dict(found.specificities[at]),
        "rank": rank or {"best": None, "worst": None, "reason": found.aucs[at].reason},
    }


def _pair(compared: ComparedSeveral, pair: PairTest) -> dict[str, Any]:
    test = pair.test
    difference = Estimate(test.difference, test.reason, test.interval.low, test.interval.high)
    return {
        "a": compared.runs[pair.first].run.number,
        "b": compared.runs[pair.second].run.number,
        "difference": figure_dict(difference),
        "z": test.z,
        "p": test.p,
        "p_holm": pair.holm,
    }


def _rows(whole: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for run in whole["runs"]:
        where = f"[run={run['run']['number']}]"
        for name in ("roc_auc", "sensitivity", "specificity"):
            yield _row(f"{name}{where}", run[name])
        rank = run["rank"]
        yield (f"rank{where}", None, rank["best"], rank["worst"], None, None, rank.get("reason"))
    for pair in whole["pairs"]:
        name = f"roc_auc_difference[a={pair['a']},b={pair['b']}]"
        yield _row(name, pair["difference"], pair["p"], pair["p_holm"])


def _row(
    name: str, figure: dict[str, Any], p: float | None = None, corrected: float | None = None
) -> tuple[object, ...]:
    ends = figure["value"], figure["low"], figure["high"]
    return (name, *ends, p, corrected, figure.get("reason"))
