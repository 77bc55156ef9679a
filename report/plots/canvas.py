"""Shared by all pictures: size, colours, title, and the notes they must carry."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import ScaledTranslation

from base.arrays import Float64Array
from base.console.foreign import for_picture, shown
from report.report_model import SYNTHETIC, Report
from report.thresholds.threshold import Threshold
from report.thresholds.threshold_text import threshold_text

CLASSES = ("benign", "malignant")
# Okabe and Ito's colours, which colour-blind people can tell apart. Some look alike in grey, so
# line styles, markers or positions repeat what a colour says.
BLUE, SKY, VERMILION, GREY, PALE = "#0072B2", "#56B4E9", "#D55E00", "#6E6E6E", "#E4E4E4"
DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
SIZE = (5.2, 5.5)  # inches
TALL = (5.2, 6.9)  # with a legend beneath, of five lines at most
_BELOW = 0.6  # inches from the axes to the legend, for ticks and the name of the axis
# Points of a curve; print shows no more, and an SVG of a million points is 40 MB.
_MOST_POINTS = 2000
_LINE = 50  # characters that fit in a line of a title


def blank(report: Report, size: tuple[float, float] = SIZE) -> Figure:
    """An empty picture of width and height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    picture = Figure(figsize=size, layout=layout)
    if report.checkpoint.synthetic:
        # A picture may be shared without its report.
        picture.supxlabel(SYNTHETIC, fontsize=9, color=VERMILION)
    return picture


def title(what: str, report: Report, images: int | None = None, note: str = "") -> str:
    """What is shown, the run with its name, and the number of images, by default those analysed.

    A name that is too long for the line gets its own below it, and a `note` the last one.
    """
    total = report.figures.confusion.total if images is None else images
    name = "" if report.run.name is None else for_picture(_cut(shown(report.run.name)))
    line = f"{what}, run {report.run.number}{f' ({name})' if name else ''}, {total:,} images"
    if len(line) > _LINE:
        line = f"{what}, run {report.run.number}, {total:,} images\n{name}"
    return f"{line}\n{note}" if note else line


def _cut(name: str) -> str:
    return name if len(name) <= _LINE else f"{name[: _LINE - 1]}…"


def canvas(
    what: str, report: Report, size: tuple[float, float] = SIZE, note: str = ""
) -> tuple[Figure, Axes]:
    """An empty picture with one pair of axes under its title."""
    picture = blank(report, size)
    axes = picture.add_subplot()
    axes.set_title(title(what, report, note=note), loc="left", pad=10)
    bare(axes)
    return picture, axes


def bare(axes: Axes) -> None:
    """Remove the frame at the top and on the right."""
    axes.spines[["top", "right"]].set_visible(False)


def unit_square(axes: Axes, across: str, up: str) -> None:
    """Set both axes from 0 to 1, with a grid."""
    axes.grid(color=PALE, linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel(across, fontsize=12)
    axes.set_ylabel(up, fontsize=12)


def say_undefined(axes: Axes, reason: str | None) -> None:
    """Write `n/a` and the reason in the middle instead of a curve."""
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


def mark_operating_point(axes: Axes, x: float, y: float, label: str, marker: str = "o") -> None:
    """Mark the point of a curve at the report's threshold."""
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
        label=label,
    )


def legend_beneath(axes: Axes, entries: Axes | None = None) -> None:
    """Draw a legend for `entries` below `axes`, where it hides no curve."""
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
    """A monotonic curve, reduced to as many points as can be seen."""
    if len(x) <= _MOST_POINTS:
        return x, y
    # Distance along both axes, so that steep parts keep their points.
    distance = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    _, first = np.unique(np.floor(distance / distance[-1] * (_MOST_POINTS - 1)), return_index=True)
    return x[first], y[first]


def named(threshold: Threshold) -> str:
    """The threshold with its kind."""
    return f"{threshold_text(threshold.value)} ({threshold.kind})"
