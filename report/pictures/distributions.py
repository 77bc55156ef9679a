"""How the scores of each class are distributed."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report.arrays import Floats, Labels
from report.contents import Report
from report.figure import Proportion
from report.pictures.canvas import (
    BLUE,
    CLASSES,
    DASHED,
    PALE,
    SKY,
    VERMILION,
    bare,
    blank,
    named,
    say_undefined,
    title,
)
from report.sections import short

_BINS = 40
# Beside the colour, malignant is told by its place and its hatching.
_STYLES: tuple[dict[str, Any], ...] = (
    {"facecolor": SKY, "edgecolor": BLUE},
    {"facecolor": "white", "edgecolor": VERMILION, "hatch": "/////"},
)


def draw_distributions(report: Report, labels: Labels, scores: Floats) -> Figure:
    """A histogram for each class, malignant above benign, cut by the threshold."""
    picture = blank(report)
    above, below = picture.subplots(2, 1, sharex=True, sharey=True)
    figures, threshold = report.figures, report.threshold.value
    table = figures.confusion
    found = _found(1, table.malignant, figures.sensitivity)
    above.set_title(f"{title('Scores', report)}\n{found}", loc="left", fontsize=11)
    below.set_title(_found(0, table.benign, figures.specificity), loc="left", fontsize=11)
    edges = _edges(threshold)
    for axes, label in ((above, 1), (below, 0)):
        _draw_class(axes, label, scores[labels == label], edges)
        axes.axvline(threshold, color="black", linewidth=1.2, linestyle=DASHED)
    below.set(xlim=(0, 1))
    below.set_xlabel(f"score, cut at threshold {named(report.threshold)}", fontsize=12)
    picture.supylabel("fraction of the class", fontsize=12)
    return picture


def _draw_class(axes: Axes, label: int, scores: Floats, edges: list[float]) -> None:
    bare(axes)
    axes.grid(color=PALE, linewidth=0.6, axis="y")
    axes.set_axisbelow(True)
    if not len(scores):
        say_undefined(axes, f"no {CLASSES[label]} images")
        return
    weights = np.full(len(scores), 1 / len(scores))
    axes.hist(
        scores, edges, weights=weights, histtype="stepfilled", linewidth=1.2, **_STYLES[label]
    )


def _edges(threshold: float) -> list[float]:
    """Edges of the bars, one of them at the threshold: what is positive stands right of it."""
    steps = threshold + np.arange(-_BINS, _BINS + 1) / _BINS
    edges: list[float] = np.unique([0.0, *steps[(steps > 0) & (steps < 1)], 1.0]).tolist()
    return edges


def _found(label: int, images: int, figure: Proportion) -> str:
    name = ("specificity", "sensitivity")[label]
    return f"{CLASSES[label]} ({images:,}): {name} {short(figure, 2)}"
