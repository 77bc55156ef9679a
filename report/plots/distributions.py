"""Histograms of the scores of each class."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from base.arrays import NO_SCORES, Float64Array, LabelArray
from report.metrics.estimate import Proportion
from report.plots.canvas import (
    BLUE,
    CLASSES,
    DASHED,
    GREY,
    PALE,
    SKY,
    VERMILION,
    bare,
    blank,
    named,
    title,
)
from report.render.tables import short
from report.report_model import Report

_BINS = 40
# Position and hatching also distinguish malignant from benign, besides colour.
_BENIGN: dict[str, Any] = {"facecolor": SKY, "edgecolor": BLUE}
_MALIGNANT: dict[str, Any] = {"facecolor": "white", "edgecolor": VERMILION, "hatch": "/////"}
_UNLABELLED: dict[str, Any] = {"facecolor": PALE, "edgecolor": GREY}
_WIDTH, _PANEL, _REST, _LOWEST = 5.2, 2.0, 1.5, 4.2  # inches


class _Group(NamedTuple):
    """Images that share a panel: its title, their scores `[n]`, and its style."""

    words: str
    scores: Float64Array
    style: dict[str, Any]


def draw_distributions(
    report: Report, labels: LabelArray, scores: Float64Array, unlabelled: Float64Array = NO_SCORES
) -> Figure | None:
    """A histogram for each class, malignant above benign, cut by the threshold.

    Images without a label get a histogram below. None if no image was scored.
    """
    groups = list(_groups(report, labels, scores, unlabelled))
    if not groups:
        return None
    picture = blank(report, (_WIDTH, max(_REST + _PANEL * len(groups), _LOWEST)))
    panels = picture.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    edges = _edges(report.threshold.value)
    for axes, group in zip(panels, groups, strict=True):
        _draw_group(axes, group, edges)
        axes.axvline(report.threshold.value, color="black", linewidth=1.2, linestyle=DASHED)
    whole = title("Scores", report, report.answers.images)
    panels[0].set_title(f"{whole}\n{groups[0].words}", loc="left", fontsize=11)
    panels[-1].set(xlim=(0, 1))
    panels[-1].set_xlabel(f"score, cut at threshold\n{named(report.threshold)}", fontsize=12)
    shared = "class" if len(labels) else "images"
    picture.supylabel(f"fraction of the {shared}", fontsize=12)
    return picture


def _groups(
    report: Report, labels: LabelArray, scores: Float64Array, unlabelled: Float64Array
) -> Iterator[_Group]:
    figures, table = report.figures, report.figures.confusion
    if table.malignant:
        words = _found(1, table.malignant, figures.sensitivity)
        yield _Group(words, scores[labels == 1], _MALIGNANT)
    if table.benign:
        words = _found(0, table.benign, figures.specificity)
        yield _Group(words, scores[labels == 0], _BENIGN)
    if len(unlabelled):
        words = f"without a label ({len(unlabelled):,}): {report.unlabelled.positive:,} positive"
        yield _Group(words, unlabelled, _UNLABELLED)


def _draw_group(axes: Axes, group: _Group, edges: list[float]) -> None:
    bare(axes)
    axes.grid(color=PALE, linewidth=0.6, axis="y")
    axes.set_axisbelow(True)
    axes.set_title(group.words, loc="left", fontsize=11)
    weights = np.full(len(group.scores), 1 / len(group.scores))
    axes.hist(
        group.scores, edges, weights=weights, histtype="stepfilled", linewidth=1.2, **group.style
    )


def _edges(threshold: float) -> list[float]:
    """Edges of the bars, with one at the threshold, so that positive images are on its right."""
    steps = threshold + np.arange(-_BINS, _BINS + 1) / _BINS
    edges: list[float] = np.unique([0.0, *steps[(steps > 0) & (steps < 1)], 1.0]).tolist()
    return edges


def _found(label: int, images: int, figure: Proportion) -> str:
    name = ("specificity", "sensitivity")[label]
    return f"{CLASSES[label]} ({images:,}): {name} {short(figure, 2)}"
