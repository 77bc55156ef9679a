"""Two ROC curves on the same images."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from base.arrays import Float64Array, LabelArray
from base.console.foreign import for_picture
from report.metrics.comparing import Comparison
from report.metrics.ranking import roc_points
from report.plots.canvas import (
    BLUE,
    DOTTED,
    GREY,
    VERMILION,
    bare,
    legend_beneath,
    named,
    say_undefined,
    thinned,
    unit_square,
)
from report.report_model import SYNTHETIC
from report.thresholds.threshold import Threshold

# Line styles and markers distinguish the curves in print without colour.
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "solid", "linewidth": 2.2},
    {"color": VERMILION, "linestyle": (0, (5, 2)), "linewidth": 1.6},
)
_MARKERS = ("o", "s")
_SIZE = (5.2, 7.0)  # inches: a square with the legend below it
_NAME = 45  # characters of a run's name that fit in the legend


def draw_comparison(
    names: Sequence[str],
    labels: LabelArray,
    scores: Float64Array,
    thresholds: Sequence[Threshold],
    comparison: Comparison,
    *,
    synthetic: bool,
) -> Figure:
    """Both curves with their areas, both operating points, and the diagonal of chance.

    Args:
        names: of the runs A and B.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[2, n]`.
        thresholds: of A and B.
        comparison: of these labels and scores.
        synthetic: whether to note that the images are synthetic.
    """
    picture = Figure(figsize=_SIZE, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    axes = picture.add_subplot()
    axes.set_title(f"ROC curves, the same {len(labels):,} images", loc="left", pad=10)
    bare(axes)
    unit_square(axes, "1 − specificity", "sensitivity")
    if comparison.auc_test is None:
        say_undefined(axes, comparison.aucs[0].reason)
    else:
        for index, name in enumerate(names):
            label = (
                f"{for_picture(shorten(name, _NAME))} (area = {comparison.aucs[index].value:.3f})"
            )
            _curve(axes, label, labels, scores[index], index)
        for index, threshold in enumerate(thresholds):
            _point(axes, comparison, threshold, index)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DOTTED, label="chance")
    legend_beneath(axes)
    if synthetic:
        picture.supxlabel(SYNTHETIC, fontsize=9, color=VERMILION)  # stays when shared alone
    return picture


def _curve(axes: Axes, label: str, labels: LabelArray, scores: Float64Array, index: int) -> None:
    points = roc_points(labels, scores)
    across, up = thinned(points.false_positives, points.sensitivity)
    axes.plot(across, up, clip_on=False, label=label, **_STYLES[index])


def _point(axes: Axes, comparison: Comparison, threshold: Threshold, index: int) -> None:
    sensitivity = comparison.malignant.right[index].value
    specificity = comparison.benign.right[index].value
    if sensitivity is None or specificity is None:
        return
    axes.plot(
        1 - specificity,
        sensitivity,
        marker=_MARKERS[index],
        markersize=9,
        color=_STYLES[index]["color"],
        markeredgecolor="white",
        markeredgewidth=1.5,
        linestyle="none",
        clip_on=False,
        zorder=3,
        label=f"at {named(threshold)}",
    )
