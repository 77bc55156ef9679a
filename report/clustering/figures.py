"""The figures of a report with intervals by clusters instead of images. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from base.arrays import BoolArray, Float64Array, Int64Array, LabelArray
from report.clustering import bootstrap
from report.clustering.clusters import Clusters
from report.clustering.obuchowski import auc_estimate, obuchowski
from report.clustering.proportions import ONE_CLUSTER, Spread, clustered_proportion, spread
from report.metrics.calibration import BINS, Bin, bin_of_scores
from report.metrics.confusion import Confusion
from report.metrics.estimate import Estimate, ObservedExpected, Proportion, SmoothCurve
from report.metrics.metrics import Metrics
from report.metrics.subgroups import Groups, Subgroup

NOT_BY_CLUSTERS = "no interval by clusters"
_E = TypeVar("_E", bound=Estimate)
_P = TypeVar("_P", bound=Proportion)


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The clusters of a report's intervals; `malignant` of them have a malignant image, and so on.

    By the name of a figure: standard errors, design effects, and what the number of bootstrap draws
    leaves uncertain in an end of an interval. `unsure` is the largest of these in interval widths.
    """

    column: str
    clusters: int
    malignant: int
    benign: int
    alone: int
    standard_errors: dict[str, float] = field(default_factory=dict)
    design_effects: dict[str, float] = field(default_factory=dict)
    monte_carlo_errors: dict[str, float] = field(default_factory=dict)
    unsure: float = 0.0


def by_clusters(
    figures: Metrics,
    labels: LabelArray,
    scores: Float64Array,
    threshold: float,
    clusters: Clusters,
) -> tuple[Metrics, ClusterFacts]:
    """The same figures with intervals by clusters; one without such an interval gets none.

    Args:
        figures: `measure` of the same images, with their clusters.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
        threshold: an image is positive when its score >= `threshold`.
        clusters: of the same images.
    """
    truth, positive, codes = labels == 1, scores >= threshold, clusters.codes
    facts = _facts(clusters, truth)
    changed: dict[str, Any] = {}
    for name, members, hits in _proportions(truth, positive):
        figure = getattr(figures, name)
        changed[name] = _of_clusters(figure, hits[members], codes[members], figures.confidence)
        _note(facts, name, spread(hits[members], codes[members]))
    changed["roc_auc"], error = cluster_auc(
        figures.roc_auc, labels, scores, codes, figures.confidence
    )
    if error is not None:
        facts.standard_errors["roc_auc"] = error
    drawn = bootstrap.draw(bootstrap.patterns(labels, positive, codes)) if len(labels) else None
    if drawn is not None:
        changed |= _drawn(figures, drawn, threshold, facts)
    changed["calibration_intercept"] = figures.calibration_intercept
    changed["calibration_slope"] = figures.calibration_slope
    changed["calibration_curve"] = tuple(_bins(figures.calibration_curve, truth, scores, codes))
    changed["observed_expected"] = _without_words(figures.observed_expected)
    if figures.smooth_calibration.reason is None:
        changed["smooth_calibration"] = SmoothCurve("no band by clusters")
    widest = replace(facts, unsure=_unsure(facts, changed))
    return replace(figures, **_without_others(figures, changed)), widest


def cluster_auc(
    figure: Estimate,
    labels: LabelArray,
    scores: Float64Array,
    codes: npt.NDArray[np.integer],
    confidence: float,
) -> tuple[Estimate, float | None]:
    """An AUC with its interval by clusters (Obuchowski 1997), and its standard error."""
    if figure.value is None:
        return figure, None
    variance = float(obuchowski(labels, scores[None], codes).covariance[0, 0])
    found = auc_estimate(figure.value, variance, confidence)
    if found.reason is not None:
        found = replace(found, reason=f"no interval: {found.reason}")
    return found, None if math.isnan(variance) else math.sqrt(max(0.0, variance))


def subgroups_by_clusters(
    subgroups: Sequence[Subgroup],
    groups: Sequence[Groups],
    threshold: float,
    clusters: Clusters,
    confidence: float,
) -> tuple[Subgroup, ...]:
    """The same subgroups with intervals by clusters."""
    of = {each.column: each for each in groups}
    return tuple(
        _subgroup(each, of[each.column], threshold, clusters.codes, confidence)
        for each in subgroups
    )


def _subgroup(
    subgroup: Subgroup, groups: Groups, threshold: float, codes: Int64Array, confidence: float
) -> Subgroup:
    if subgroup.suppressed is not None:
        return subgroup
    members = groups.codes == groups.values.index(subgroup.value)
    labels, scores, codes = groups.labels[members], groups.scores[members], codes[members]
    _, codes = np.unique(codes, return_inverse=True)
    truth, positive = labels == 1, scores >= threshold
    auc, _ = cluster_auc(subgroup.roc_auc, labels, scores, codes, confidence)
    return replace(
        subgroup,
        sensitivity=_of_clusters(subgroup.sensitivity, positive[truth], codes[truth], confidence),
        specificity=_of_clusters(
            subgroup.specificity, ~positive[~truth], codes[~truth], confidence
        ),
        roc_auc=auc,
    )


def _facts(clusters: Clusters, truth: BoolArray) -> ClusterFacts:
    def count(codes: Int64Array) -> int:
        return int(np.count_nonzero(np.bincount(codes)))

    codes = clusters.codes
    return ClusterFacts(
        clusters.column, count(codes), count(codes[truth]), count(codes[~truth]), clusters.alone
    )


def _proportions(
    truth: BoolArray, positive: BoolArray
) -> Iterator[tuple[str, BoolArray, BoolArray]]:
    """Figures whose total does not depend on the answers: their images, and the hits among all."""
    every = np.ones_like(truth)
    yield "sensitivity", truth, positive
    yield "specificity", ~truth, ~positive
    yield "prevalence", every, truth
    yield "accuracy", every, positive == truth


def _of_clusters(
    figure: _P, hits: BoolArray, codes: npt.NDArray[np.integer], confidence: float
) -> _P:
    if figure.value is None:
        return figure
    found = clustered_proportion(hits, codes, "", confidence)
    return replace(figure, low=found.low, high=found.high, reason=found.reason)


def _note(facts: ClusterFacts, name: str, found: Spread) -> None:
    if found.standard_error is not None and found.design_effect is not None:
        facts.standard_errors[name] = found.standard_error
        facts.design_effects[name] = found.design_effect


def _drawn(
    figures: Metrics, drawn: bootstrap.Cells, threshold: float, facts: ClusterFacts
) -> dict[str, Any]:
    """The figures of the 2x2 table with intervals of the bootstrap."""

    def interval(name: str, figure: Estimate, of: bootstrap.Figure) -> Estimate:
        return _of_draws(figures, figure, of, drawn, facts, name)

    found: dict[str, Any] = {
        name: interval(name, getattr(figures, name), of) for name, of in bootstrap.FIGURES.items()
    }
    other = figures.at_prevalence
    share = None if other is None else other.prevalence
    if threshold < 1:
        of = bootstrap.net_benefit_at(threshold, share)
        found["net_benefit"] = interval("net_benefit", figures.net_benefit, of)
    if threshold > 0:
        of = bootstrap.avoided_at(threshold, share)
        found["interventions_avoided"] = interval(
            "interventions_avoided", figures.interventions_avoided, of
        )
    if other is not None:
        ppv = interval("ppv_at_prevalence", other.ppv, bootstrap.ppv_at(other.prevalence))
        npv = interval("npv_at_prevalence", other.npv, bootstrap.npv_at(other.prevalence))
        found["at_prevalence"] = replace(other, ppv=ppv, npv=npv)
    return found


def _of_draws(
    figures: Metrics,
    figure: Estimate,
    of: bootstrap.Figure,
    drawn: bootstrap.Cells,
    facts: ClusterFacts,
    name: str,
) -> Estimate:
    if figure.value is None:
        return figure
    if facts.clusters < 2:
        return replace(figure, low=None, high=None, reason=ONE_CLUSTER)
    if not math.isclose(_observed(of, figures.confusion), figure.value, abs_tol=1e-12):
        return replace(figure, low=None, high=None, reason=NOT_BY_CLUSTERS)
    low, high, error, reason = bootstrap.percentile(of, drawn, figures.confidence)
    if error is not None:
        facts.monte_carlo_errors[name] = error
    why = None if reason is None else f"no interval: {reason}"
    return replace(figure, low=low, high=high, reason=why)


def _observed(of: bootstrap.Figure, table: Confusion) -> float:
    """The figure of the report's own counts: draws of anything else would not be its interval."""
    cells = bootstrap.Cells(*np.array([[table.tp], [table.fp], [table.tn], [table.fn]]))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(of(cells)[0])


def _bins(
    bins: Sequence[Bin], truth: BoolArray, scores: Float64Array, codes: Int64Array
) -> Iterator[Bin]:
    bin_of = bin_of_scores(scores)
    for each in bins:
        members = bin_of == round(each.low * BINS)
        found = spread(truth[members], codes[members])
        # A bin of a single cluster counts as a single image.
        effect = found.effect(each.images) or each.images / found.clusters
        yield each._replace(design_effect=effect)


def _without_others(figures: Metrics, changed: dict[str, Any]) -> dict[str, Any]:
    """The changed figures, and all others without the interval that takes images as independent."""
    others = {each.name: getattr(figures, each.name) for each in fields(figures)}
    bare = {
        name: _bare(figure)
        for name, figure in others.items()
        if isinstance(figure, Estimate) and name not in (*changed, "ece")  # it never has one
    }
    at = tuple(map(_bare, figures.specificity_at_sensitivity))
    return {**bare, **changed, "specificity_at_sensitivity": at}


def _bare(figure: _E) -> _E:
    if figure.value is None:
        return figure
    return replace(figure, low=None, high=None, reason=figure.reason or NOT_BY_CLUSTERS)


def _without_words(figure: ObservedExpected) -> ObservedExpected:
    """Without the interval, and so without the words that follow from it."""
    if figure.low is None:
        return figure
    return replace(figure, low=None, high=None, reason=NOT_BY_CLUSTERS, words="")


def _unsure(facts: ClusterFacts, changed: dict[str, Any]) -> float:
    other = changed.get("at_prevalence")
    at = {"ppv_at_prevalence": other.ppv, "npv_at_prevalence": other.npv} if other else {}
    shares = []
    for name, error in facts.monte_carlo_errors.items():
        figure = at.get(name) or changed[name]
        shares.append(error / (figure.high - figure.low))
    return max(shares, default=0.0)
