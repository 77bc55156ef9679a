"""The flow of images from the listing to the answers, in the style of STARD 2015."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from report.plots.canvas import GREY, blank, title
from report.render.flow_diagram import LINE, PAD, WIDTH, Box, flow_diagram
from report.report_model import Report

_UNITS_PER_INCH = 95  # so that a line of 9.5 points fits LINE
_TITLE, _LOWEST = 0.5, 4.2  # inches


def draw_flow(report: Report) -> Figure | None:
    """Boxes from top to bottom, with what is left out on the right; None if nothing is scored."""
    if not report.flow.scored:
        return None
    diagram = flow_diagram(report)
    height = max(diagram.height / _UNITS_PER_INCH + _TITLE, _LOWEST)
    size = (WIDTH + 20) / _UNITS_PER_INCH, height
    picture = blank(report, size)
    axes = picture.add_subplot()
    axes.set_title(title("Flow of images", report, report.flow.listed), loc="left", pad=10)
    axes.set(xlim=(-2, WIDTH + 2), ylim=(diagram.height + 2, -2), aspect="equal")
    axes.set_axis_off()
    for arrow in diagram.arrows:
        *before, last = arrow.points
        axes.plot(*zip(*before, strict=True), color=GREY, linewidth=1)
        axes.annotate(
            "", last, before[-1],
            arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    for box in diagram.boxes:
        _draw_box(axes, box)
    return picture


def _draw_box(axes: Axes, box: Box) -> None:
    frame = (box.x, box.y), box.width, box.height
    axes.add_patch(Rectangle(*frame, facecolor="white", edgecolor=GREY, linewidth=1, zorder=2))
    for index, words in enumerate(box.lines):
        axes.text(
            box.x + PAD, box.y + PAD + (index + 0.5) * LINE, words,
            va="center", fontsize=9.5, fontweight="normal" if index else "bold", zorder=3,
        )  # fmt: skip
