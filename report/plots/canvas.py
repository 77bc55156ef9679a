"""What all pictures share: size, colours, title, and the words that must travel with them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import ScaledTranslation

from report.arrays import Float64Array
from report.report_model import SYNTHETIC, Report
from report.thresholds.threshold import Threshold
from report.thresholds.threshold_text import threshold_text

CLASSES = ("benign", "malignant")
# Okabe and Ito's, which the colour-blind tell apart. In grey some are alike, so what a colour tells
# a line's style, a marker or a place tells too.
BLUE, SKY, VERMILION, GREY, PALE = "#0072B2", "#56B4E9", "#D55E00", "#6E6E6E", "#E4E4E4"
DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
SIZE = (5.2, 5.5)  # inches
TALL = (5.2, 6.5)  # with a legend beneath
_BELOW = 0.6  # inches from the axes to the legend beneath: ticks and name of the axis lie between
# Points of a curve; a printed page shows no more, and an SVG of a million is 40 MB.
_MOST_POINTS = 2000


def blank(report: Report, size: tuple[float, float] = SIZE) -> Figure:
    """An empty picture of width and height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    picture = Figure(figsize=size, layout=layout)
    if report.checkpoint.synthetic:
        # A picture travels without its report.
        picture.supxlabel(SYNTHETIC, fontsize=9, color=VERMILION)
    return picture


def title(what: str, report: Report, images: int | None = None) -> str:
    """What is shown, of which run and how many images: of the analysed ones unless it is said."""
    total = report.figures.confusion.total if images is None else images
    return f"{what}, run {report.run.number}, {total:,} images"


def canvas(what: str, report: Report, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """An empty picture with one pair of axes under its title."""
    picture = blank(report, size)
    axes = picture.add_subplot()
    axes.set_title(title(what, report), loc="left", pad=10)
    bare(axes)
    return picture, axes


def bare(axes: Axes) -> None:
    """Without a frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)


def unit_square(axes: Axes, across: str, up: str) -> None:
    """Both axes from 0 to 1, with a grid."""
    axes.grid(color=PALE, linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel(across, fontsize=12)
    axes.set_ylabel(up, fontsize=12)


def say_undefined(axes: Axes, reason: str | None) -> None:
    """`n/a` and the reason in the middle, where a curve would be."""
    axes.text(
        0.5,
        0.5,
        f"n/a ({reason})",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=13,
        backgroundcolor="white",
    )


def mark_operating_point(axes: Axes, x: float, y: float, words: str, marker: str = "o") -> None:
    """A dot, or another marker, where the report's threshold stands on a curve."""
    axes.plot(
        x,
        y,
        marker=marker,
        markersize=10,
        color=VERMILION,
        markeredgecolor="white",
        markeredgewidth=1.5,
        linestyle="none",
        clip_on=False,
        zorder=3,
        label=words,
    )


def legend_beneath(axes: Axes, entries: Axes | None = None) -> None:
    """A legend under `axes`, where no curve can run behind it, of what is drawn on `entries`."""
    handles, words = (entries or axes).get_legend_handles_labels()
    figure = axes.get_figure(root=True)
    if figure is None or not handles:
        return
    below = ScaledTranslation(0, -_BELOW, figure.dpi_scale_trans)
    axes.legend(
        handles,
        words,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes + below,
        borderaxespad=0,
        fontsize=10.5,
        frameon=False,
    )


def thinned(x: Float64Array, y: Float64Array) -> tuple[Float64Array, Float64Array]:
    """A curve whose `x` only grows or only falls, by as many points as can be seen."""
    if len(x) <= _MOST_POINTS:
        return x, y
    # The way along both axes, so that a steep part keeps its points too.
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    _, first = np.unique(np.floor(way / way[-1] * (_MOST_POINTS - 1)), return_index=True)
    return x[first], y[first]


def named(threshold: Threshold) -> str:
    """The threshold with its kind."""
    return f"{threshold_text(threshold.value)} ({threshold.kind})"
