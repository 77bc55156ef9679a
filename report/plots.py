"""The tutorial's two pictures: the ROC curve and the confusion matrix.

Drawn on `matplotlib.figure.Figure` and not through pyplot, which keeps its figures globally.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from report.arrays import Floats, Labels
from report.contents import SYNTHETIC, Report
from report.metrics import roc_points
from report.threshold import Threshold

CLASSES = ("benign", "malignant")
DPI = 200
# Okabe and Ito's blue and vermilion, which the colour-blind tell apart, and so does a grey print.
BLUE, VERMILION, GREY, PALE = "#0072B2", "#D55E00", "#6E6E6E", "#E4E4E4"


def save_pictures(directory: Path, report: Report, labels: Labels, scores: Floats) -> list[Path]:
    """Write `roc.png` and `confusion_matrix.png`; a picture of an earlier report is replaced.

    Args:
        directory: is made if it is not there.
        report: of these labels and scores.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
    """
    pictures = {
        "roc.png": draw_roc(report, labels, scores),
        "confusion_matrix.png": draw_confusion(report),
    }
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in pictures.items():
        path = directory / name
        picture.savefig(path, dpi=DPI)
        paths.append(path)
    return paths


def draw_roc(report: Report, labels: Labels, scores: Floats) -> Figure:
    """The ROC curve with its area, the operating point, and the diagonal of chance."""
    picture, axes = _canvas("ROC curve", report)
    axes.grid(color=PALE, linewidth=0.6)
    if report.figures.roc_auc.value is not None:
        _draw_curve(axes, labels, scores, report.figures.roc_auc.value)
        _draw_operating_point(axes, report)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="chance")
    if report.figures.roc_auc.value is None:
        words = f"n/a ({report.figures.roc_auc.reason})"
        axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=14, backgroundcolor="white")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("1 − specificity", fontsize=12)
    axes.set_ylabel("sensitivity", fontsize=12)
    axes.legend(loc="lower right", fontsize=10.5, framealpha=1, edgecolor="none")
    return picture


def draw_confusion(report: Report) -> Figure:
    """Fractions of each true class as a heat map, the counts beneath them."""
    picture, axes = _canvas("Confusion matrix", report)
    cells = report.figures.confusion
    counts = np.array([[cells.tn, cells.fp], [cells.fn, cells.tp]])
    fractions = _normalised(counts)
    axes.pcolormesh(fractions, cmap="Blues", vmin=0, vmax=1, edgecolor=GREY, linewidth=0.8)
    for row, column in np.ndindex(2, 2):
        # Where white on this blue becomes easier to read than black.
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


def _canvas(title: str, report: Report) -> tuple[Figure, Axes]:
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    picture = Figure(figsize=(5.2, 5.5), layout=layout)  # inches
    axes = picture.add_subplot()
    images = report.figures.confusion.total
    axes.set_title(f"{title}, run {report.run.number}, {images} images", loc="left", pad=10)
    axes.spines[["top", "right"]].set_visible(False)
    if report.checkpoint.synthetic:
        # A picture travels without its report.
        picture.supxlabel(SYNTHETIC, fontsize=9, color=VERMILION)
    return picture, axes


def _draw_curve(axes: Axes, labels: Labels, scores: Floats, area: float) -> None:
    points = roc_points(labels, scores)
    axes.plot(
        points.false_positives,
        points.sensitivity,
        color=BLUE,
        linewidth=2,
        clip_on=False,
        label=f"ROC curve (area = {area:.2f})",
    )


def _draw_operating_point(axes: Axes, report: Report) -> None:
    sensitivity, specificity = report.figures.sensitivity.value, report.figures.specificity.value
    if sensitivity is None or specificity is None:
        return
    axes.plot(
        1 - specificity,
        sensitivity,
        marker="o",
        markersize=10,
        color=VERMILION,
        markeredgecolor="white",
        markeredgewidth=1.5,
        linestyle="none",
        clip_on=False,
        zorder=3,
        label=f"threshold {_named(report.threshold)}:\n"
        f"sensitivity {sensitivity:.2f}, specificity {specificity:.2f}",
    )


def _name_classes(axes: Axes, threshold: Threshold) -> None:
    axes.set(aspect="equal", ylim=(2, 0))  # benign on top, as in the tutorial
    axes.set_xticks((0.5, 1.5), CLASSES, fontsize=12)
    axes.set_yticks((0.5, 1.5), CLASSES, fontsize=12, rotation=90, va="center")
    axes.set_xlabel(f"predicted at threshold {_named(threshold)}", fontsize=12)
    axes.set_ylabel("true", fontsize=12)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _normalised(counts: npt.NDArray[np.int64]) -> Floats:
    totals = counts.sum(axis=1, keepdims=True)
    fractions: Floats = np.zeros((2, 2))
    np.divide(counts, totals, out=fractions, where=totals > 0)
    return fractions


def _cell_words(row: int, count: int, total: int) -> tuple[str, str]:
    if total == 0:
        return "n/a", f"no {CLASSES[row]} images"
    return f"{count / total:.2f}", f"{count} of {total}"


def _named(threshold: Threshold) -> str:
    return f"{threshold.value:g} ({threshold.kind})"
