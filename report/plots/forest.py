"""The forest plot of the subgroups."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from base.console.foreign import for_picture, shown
from report.metrics.estimate import Estimate
from report.metrics.subgroups import Subgroup
from report.plots.canvas import BLUE, DASHED, GREY, PALE, blank, title
from report.render.tables import percent
from report.report_model import Report

_PANELS = ("sensitivity", "specificity", "roc_auc")
_TITLES = {"roc_auc": "ROC AUC"}
_WIDTH, _ROW, _REST = 9.0, 0.3, 1.5  # inches


class _Line(NamedTuple):
    """A row: its text, its figure for each panel, and whether it is bold or too small to show."""

    label: str
    figures: tuple[Estimate, ...] = ()
    bold: bool = False
    kept_back: bool = False


def draw_forest(report: Report) -> Figure:
    """Sensitivity, specificity and ROC AUC of all images and of each subgroup, with intervals."""
    lines = list(_lines(report))
    picture = blank(report, (_WIDTH, _REST + _ROW * len(lines)))
    panels = picture.subplots(1, len(_PANELS), sharey=True)
    for axes, name, index in zip(panels, _PANELS, range(len(_PANELS)), strict=True):
        _draw_panel(axes, lines, index)
        axes.set_xlabel(_TITLES.get(name, name), fontsize=12)
    first = panels[0]
    what = f"Subgroups with {percent(report.figures.confidence)} intervals"
    # A title of the first panel would be too wide and push the other panels away.
    picture.suptitle(title(what, report), x=0.02, ha="left")
    first.set(ylim=(len(lines) - 0.5, -0.5))
    first.set_yticks(range(len(lines)), [line.label for line in lines], fontsize=10)
    for tick, line in zip(first.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if line.bold else "normal")
    return picture


def _lines(report: Report) -> list[_Line]:
    figures = report.figures
    table = figures.confusion
    whole = tuple(getattr(figures, name) for name in _PANELS)
    lines = [_Line(f"all images ({table.malignant:,} of {table.total:,})", whole, bold=True)]
    for column, subgroups in groupby(report.subgroups, key=lambda subgroup: subgroup.column):
        lines.append(_Line(f"by {for_picture(shown(column))} (malignant of images)", bold=True))
        lines += [_line(subgroup) for subgroup in subgroups]
    return lines


def _line(subgroup: Subgroup) -> _Line:
    table = subgroup.confusion
    name = "unknown" if subgroup.value is None else shown(subgroup.value)
    label = for_picture(name if len(name) <= 30 else f"{name[:29]}…")
    return _Line(
        f"{label} ({table.malignant:,} of {table.total:,})",
        tuple(getattr(subgroup, panel) for panel in _PANELS),
        kept_back=subgroup.suppressed is not None,
    )


def _draw_panel(axes: Axes, lines: Sequence[_Line], index: int) -> None:
    axes.set(xlim=(0, 1))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(color=PALE, linewidth=0.6, axis="x")
    axes.set_axisbelow(True)
    if (whole := lines[0].figures[index].value) is not None:
        axes.axvline(whole, color=GREY, linewidth=1, linestyle=DASHED)
    for row, line in enumerate(lines):
        if line.kept_back:
            _say(axes, row, "kept back: too few")
        elif line.figures:
            _draw_figure(axes, row, line.figures[index], whole=line.bold)


def _draw_figure(axes: Axes, row: int, figure: Estimate, *, whole: bool) -> None:
    if figure.value is None:
        _say(axes, row, f"n/a ({figure.reason})")
        return
    if figure.low is not None and figure.high is not None:
        axes.plot([figure.low, figure.high], [row, row], color=BLUE, linewidth=1.5)
    axes.plot(
        figure.value,
        row,
        marker="D" if whole else "s",
        markersize=7 if whole else 5,
        color=BLUE,
        linestyle="none",
        clip_on=False,
    )


def _say(axes: Axes, row: int, label: str) -> None:
    text = axes.text(
        0.02, row, label, va="center", fontsize=8.5, color=GREY, backgroundcolor="white"
    )
    text.set_in_layout(False)  # a long reason must not widen its panel
