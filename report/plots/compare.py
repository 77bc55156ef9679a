"""The ROC curves of several runs."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from base.arrays import Float64Array, LabelArray
from base.console.foreign import for_picture
from report.metrics.confusion import confusion
from report.metrics.estimate import Estimate
from report.metrics.ranking import roc_points
from report.plots.canvas import (
    BLUE,
    DOTTED,
    GREY,
    SKY,
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

# Line styles and markers distinguish the curves in print without colour; further runs repeat them.
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linestyle": "solid", "linewidth": 2.2},
    {"color": VERMILION, "linestyle": (0, (5, 2)), "linewidth": 1.6},
    {"color": SKY, "linestyle": "solid", "linewidth": 1.2},
    {"color": GREY, "linestyle": (0, (3, 1, 1, 1)), "linewidth": 1.6},
    {"color": "black", "linestyle": "solid", "linewidth": 0.8},
)
_MARKERS = ("o", "s", "^", "D", "v")
_SIZE = (5.2, 6.2)  # inches: a square
_LINE = 0.2  # inches of the legend below it, for each line
# Characters of a run's name that fit in the legend beside its area, and beside its threshold.
_NAME, _SHORT_NAME = 45, 32


class Curve(NamedTuple):
    """A run of this name; `labels` and `scores` are `[n]`, `auc` is theirs."""

    name: str
    labels: LabelArray
    scores: Float64Array
    auc: Estimate
    threshold: Threshold | None


def draw_comparison(curves: Sequence[Curve], images: str, *, synthetic: bool) -> Figure:
    """All curves with their areas, all operating points, and the diagonal of chance.

    Args:
        curves: one for each run.
        images: which images, for the title.
        synthetic: whether to note that the images are synthetic.
    """
    lines = len(curves) + sum(curve.threshold is not None for curve in curves)
    size = _SIZE[0], _SIZE[1] + _LINE * lines
    picture = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    axes = picture.add_subplot()
    axes.set_title(f"ROC curves, {images}", loc="left", pad=10)
    bare(axes)
    unit_square(axes, "1 − specificity", "sensitivity")
    drawn = [(at, curve) for at, curve in enumerate(curves) if curve.auc.value is not None]
    for at, curve in drawn:
        _curve(axes, curve, at)
    for at, curve in drawn:
        if curve.threshold is not None:
            _point(axes, curve, curve.threshold, at)
    if len(drawn) < len(curves):
        missing = next(curve for curve in curves if curve.auc.value is None)
        say_undefined(axes, f"{_name(missing)}: {missing.auc.reason}")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DOTTED, label="chance")
    legend_beneath(axes)
    if synthetic:
        picture.supxlabel(SYNTHETIC, fontsize=9, color=VERMILION)  # stays when shared alone
    return picture


def _name(curve: Curve, length: int = _NAME) -> str:
    return for_picture(shorten(curve.name, length))


def _curve(axes: Axes, curve: Curve, at: int) -> None:
    points = roc_points(curve.labels, curve.scores)
    across, up = thinned(points.false_positives, points.sensitivity)
    label = f"{_name(curve)} (area = {curve.auc.value:.3f})"
    axes.plot(across, up, clip_on=False, label=label, **_STYLES[at % len(_STYLES)])


def _point(axes: Axes, curve: Curve, threshold: Threshold, at: int) -> None:
    table = confusion(curve.labels, curve.scores, threshold.value)
    axes.plot(
        table.fp / table.benign,
        table.tp / table.malignant,
        marker=_MARKERS[at % len(_MARKERS)],
        markersize=9,
        color=_STYLES[at % len(_STYLES)]["color"],
        markeredgecolor="white",
        markeredgewidth=1.5,
        linestyle="none",
        clip_on=False,
        zorder=3,
        label=f"{_name(curve, _SHORT_NAME)} at {named(threshold)}",
    )
