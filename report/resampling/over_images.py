"""Adds bootstrap intervals to those figures of a report that have no other. Pure.

Percentile intervals of 2,000 draws from a fixed seed: figures of the 2x2 table over all images,
figures over all thresholds within each class. An interval that is not drawn has a reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np

from base.arrays import Float64Array, LabelArray
from report.clustering.bootstrap import (
    DRAWS,
    FIGURES,
    METHOD,
    SEED,
    Cells,
    Drawn,
    Figure,
    Patterns,
    avoided_at,
    draw,
    net_benefit_at,
    percentile,
)
from report.metrics.confusion import Confusion
from report.metrics.curves.ranked import average_precisions, partial_areas, ranked
from report.metrics.estimate import Estimate
from report.metrics.metrics import Bootstrap, Metrics
from report.resampling.ranking import (
    MOST_MALIGNANT,
    draw_means,
    draw_ranked,
    draw_specificities,
)

# Of more images the mean of the squared errors is drawn from its limit, the normal distribution.
MOST_DRAWN = 2_000
# Beyond it less than one draw lies outside of each end.
MOST_CONFIDENT = 1 - 2 / DRAWS
Kind = TypeVar("Kind", bound=Estimate)


def add_intervals(
    figures: Metrics, labels: LabelArray, scores: Float64Array, threshold: float
) -> Metrics:
    """The figures of these images, and the intervals that `measure` leaves out.

    Args:
        figures: what `measure` gave.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
        threshold: in [0, 1].
    """
    if not len(labels):
        return figures
    found = dict(_drawn(figures, labels, scores, threshold))
    if figures.confidence > MOST_CONFIDENT:
        found = {name: _too_few_draws(one) for name, one in found.items()}
    errors = {
        name: one.monte_carlo_error
        for name, one in found.items()
        if one.monte_carlo_error is not None
    }
    at = tuple(
        _with(figure, found.get(_named(figure.sensitivity)))
        for figure in figures.specificity_at_sensitivity
    )
    changed: dict[str, Any] = {
        name: _with(getattr(figures, name), one)
        for name, one in found.items()
        if hasattr(figures, name)
    }
    bootstrap = Bootstrap(METHOD, DRAWS, SEED, errors, max(map(_share, found.values())))
    return replace(figures, **changed, specificity_at_sensitivity=at, bootstrap=bootstrap)


def _drawn(
    figures: Metrics, labels: LabelArray, scores: Float64Array, threshold: float
) -> Iterator[tuple[str, Drawn]]:
    confidence = figures.confidence
    cells = draw(_patterns(figures.confusion))
    share = None if figures.at_prevalence is None else figures.at_prevalence.prevalence
    for name, figure in _of_the_table(threshold, share).items():
        if getattr(figures, name).value is not None:
            yield name, percentile(figure, cells, confidence)
    yield "brier", _brier(labels, scores, confidence)
    if figures.roc_auc.value is None:
        return
    targets = [at.sensitivity for at in figures.specificity_at_sensitivity]
    values = draw_specificities(labels, scores, targets)
    for target, of_target in zip(targets, values, strict=True):
        yield _named(target), _percentile(of_target, confidence)
    yield from _areas(figures, labels, scores)


def _of_the_table(threshold: float, prevalence: float | None) -> Mapping[str, Figure]:
    names = ("balanced_accuracy", "geometric_mean", "f1", "youden", "matthews")
    figures = {name: FIGURES[name] for name in names}
    if threshold < 1:
        figures["net_benefit"] = net_benefit_at(threshold, prevalence)
    if threshold > 0:
        figures["interventions_avoided"] = avoided_at(threshold, prevalence)
    return figures


def _areas(
    figures: Metrics, labels: LabelArray, scores: Float64Array
) -> Iterator[tuple[str, Drawn]]:
    names = "average_precision", "partial_auc"
    if figures.confusion.malignant > MOST_MALIGNANT:
        over = f"over {MOST_MALIGNANT:,} malignant images"
        yield from ((name, Drawn(None, None, reason=over)) for name in names)
        return
    drawn = draw_ranked(ranked(labels, scores))
    areas = partial_areas(drawn, figures.partial_auc.sensitivity)
    for name, values in zip(names, (average_precisions(drawn), areas), strict=True):
        yield name, _percentile(values, figures.confidence)


def _brier(labels: LabelArray, scores: Float64Array, confidence: float) -> Drawn:
    errors = (scores - labels) ** 2
    if len(errors) <= MOST_DRAWN:
        return _percentile(draw_means(errors), confidence)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * float(errors.std()) / len(errors) ** 0.5
    middle = float(errors.mean())
    return Drawn(max(0.0, middle - half), min(1.0, middle + half))


def _percentile(values: Float64Array, confidence: float) -> Drawn:
    """Of draws that are made already."""
    nothing = np.zeros(0, np.int64)
    return percentile(lambda _: values, Cells(nothing, nothing, nothing, nothing), confidence)


def _too_few_draws(drawn: Drawn) -> Drawn:
    if drawn.monte_carlo_error is None:
        return drawn
    return Drawn(None, None, reason=f"{DRAWS:,} draws are too few for it")


def _share(drawn: Drawn) -> float:
    """The Monte-Carlo error as a share of the interval's width."""
    if drawn.monte_carlo_error is None or drawn.low is None or drawn.high is None:
        return 0.0
    return drawn.monte_carlo_error / (drawn.high - drawn.low)


def _patterns(table: Confusion) -> Patterns:
    counts = np.array([table.tp, table.fp, table.tn, table.fn])
    return Patterns(np.eye(4, dtype=np.int64), counts)


def _named(sensitivity: float) -> str:
    return f"specificity_at_sensitivity_{sensitivity:.2f}"


def _with(figure: Kind, drawn: Drawn | None) -> Kind:
    if drawn is None or figure.value is None:
        return figure
    reason = figure.reason or (drawn.reason and f"no interval: {drawn.reason}")
    return replace(figure, low=drawn.low, high=drawn.high, reason=reason)
