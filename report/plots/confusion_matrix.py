"""The row-normalised confusion matrix."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from base.arrays import Float64Array, Int64Array
from report.plots.canvas import CLASSES, GREY, canvas, named
from report.report_model import Report
from report.thresholds.threshold import Threshold


def draw_confusion(report: Report) -> Figure | None:
    """Fractions of each true class as a heat map, the counts beneath them.

    None if no image is analysed.
    """
    cells = report.figures.confusion
    if not cells.total:
        return None
    picture, axes = canvas("Confusion matrix", report)
    counts = np.array([[cells.tn, cells.fp], [cells.fn, cells.tp]])
    fractions = _normalised(counts)
    axes.pcolormesh(fractions, cmap="Blues", vmin=0, vmax=1, edgecolor=GREY, linewidth=0.8)
    for row, column in np.ndindex(2, 2):
        # On darker blue, white is easier to read than black.
        ink = "white" if fractions[row, column] > 0.72 else "black"
        large, small = _cell_words(row, int(counts[row, column]), int(counts[row].sum()))
        middle = (column + 0.5, row + 0.5)
        style: dict[str, Any] = {
            "textcoords": "offset points",
            "ha": "center",
            "va": "center",
            "color": ink,
        }
        axes.annotate(large, middle, (0, 9), fontsize=22, **style)
        axes.annotate(small, middle, (0, -15), fontsize=12, **style)
    _name_classes(axes, report.threshold)
    return picture


def _name_classes(axes: Axes, threshold: Threshold) -> None:
    axes.set(aspect="equal", ylim=(2, 0))  # benign on top, as in the tutorial
    axes.set_xticks((0.5, 1.5), CLASSES, fontsize=12)
    axes.set_yticks((0.5, 1.5), CLASSES, fontsize=12, rotation=90, va="center")
    axes.set_xlabel(f"predicted at threshold\n{named(threshold)}", fontsize=12)
    axes.set_ylabel("true", fontsize=12)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _normalised(counts: Int64Array) -> Float64Array:
    totals = counts.sum(axis=1, keepdims=True)
    fractions: Float64Array = np.zeros((2, 2))
    np.divide(counts, totals, out=fractions, where=totals > 0)
    return fractions


def _cell_words(row: int, count: int, total: int) -> tuple[str, str]:
    if total == 0:
        return "n/a", f"no {CLASSES[row]} images"
    return f"{count / total:.2f}", f"{count:,} of {total:,}"
