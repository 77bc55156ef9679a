"""A comparison of more than two runs as lines and tables, for text and Markdown."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from report.comparing.several_runs import PairTest, SeveralRuns
from report.loading.pair_clusters import PairClusters
from report.loading.pairing import Shared
from report.loading.read_run import LoadedRun
from report.metrics.estimate import Estimate
from report.render.comparison.two_views import (
    brief,
    cluster_lines,
    describe,
    with_reason,
)
from report.render.numbers import p_text
from report.render.tables import percent, short, threshold_line, warnings_of
from report.table import Table
from report.thresholds.threshold import Threshold


class ComparedSeveral(NamedTuple):
    """Everything that the comparison shows; a threshold for each run, if it has one."""

    runs: Sequence[LoadedRun]
    thresholds: Sequence[Threshold | None]
    shared: Shared
    found: SeveralRuns
    clusters: PairClusters | None = None


def parts(compared: ComparedSeveral) -> list[str | Table]:
    """The lines and tables of the comparison in reading order."""
    return [*_lead(compared), _flow(compared), _runs(compared), *_pairs(compared)]


def _lead(compared: ComparedSeveral) -> Iterator[str]:
    sides = list(zip(compared.runs, compared.thresholds, strict=True))
    for loaded, threshold in sides:
        at = "no threshold, so sensitivity and specificity are n/a: see report choose-threshold"
        yield f"{describe(loaded.run)}, {at if threshold is None else threshold_line(threshold)}"
    yield from cluster_lines(compared.clusters)
    for loaded, threshold in sides:
        for warning in warnings_of(loaded.checkpoint, loaded.flow, threshold):
            yield f"{brief(loaded.run)}: {warning}"


def _flow(compared: ComparedSeveral) -> Table:
    shared = compared.shared
    malignant = f"{int(shared.labels.sum())} malignant, scored in all runs and labelled"
    return Table(
        ("images", "", ""),
        (
            ("compared", str(len(shared.labels)), malignant),
            *(
                (f"  of {brief(loaded.run)}", str(count), "left out: not scored in all runs")
                for loaded, count in zip(compared.runs, shared.not_in_all, strict=True)
            ),
            ("without a label", str(shared.unlabelled), "left out"),
            ("of other bytes", str(shared.other_bytes), "left out: not the same file in all"),
        ),
        frozenset({1}),
    )


def _runs(compared: ComparedSeveral) -> Table:
    found = compared.found
    rows = zip(compared.runs, found.aucs, found.sensitivities, found.specificities, strict=True)
    return Table(
        (
            f"runs ({percent(found.confidence)} interval)",
            "ROC AUC",
            "rank by AUC",
            "sensitivity",
            "specificity",
        ),
        tuple(
            (
                describe(loaded.run),
                with_reason(auc),
                _rank(found, at),
                with_reason(sensitivity),
                with_reason(specificity),
            )
            for at, (loaded, auc, sensitivity, specificity) in enumerate(rows)
        ),
    )


def _rank(found: SeveralRuns, at: int) -> str:
    if not found.ranks:
        return f"n/a ({found.aucs[at].reason})"
    best, worst = found.ranks[at]
    return str(best) if best == worst else f"{best} to {worst}"


def _pairs(compared: ComparedSeveral) -> Iterator[str | Table]:
    found = compared.found
    if not found.pairs:
        return
    names = [brief(loaded.run) for loaded in compared.runs]
    p = f"p ({'DeLong' if compared.clusters is None else 'Obuchowski'})"
    yield Table(
        ("difference of ROC AUC", f"{percent(found.confidence)} interval", p, "Holm"),
        tuple(
            (f"{names[pair.first]} − {names[pair.second]}", *_pair(pair)) for pair in found.pairs
        ),
    )
    yield (
        f"Holm: p corrected for {len(found.pairs)} pairs. A rank is at best 1 more than the number "
        "of runs that are significantly better, at worst the number of runs less those that are "
        f"significantly worse (corrected p < {1 - found.confidence:.10g})"
    )


def _pair(pair: PairTest) -> tuple[str, str, str]:
    test = pair.test
    difference = Estimate(test.difference, low=test.interval.low, high=test.interval.high)
    if test.p is None or pair.holm is None:
        nothing = f"n/a ({test.reason})"
        return short(difference), nothing, nothing
    return short(difference), p_text(test.p), p_text(pair.holm)
