"""What each chart of the page shows; a chart that cannot be drawn says why."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from report.arrays import Floats, Labels
from report.contents import Report
from report.page import curves
from report.page.curves import Axis
from report.page.steps import Steps

Style = Literal["model", "chance", "malignant", "benign"]


class Line(NamedTuple):
    """A line, its look, and its words in the legend."""

    points: curves.Path
    style: Style
    words: str


class Point(NamedTuple):
    """Where a marker starts, in SVG units."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. The slider moves its `point`, or an upright line at the threshold if `upright`."""

    key: str
    title: str
    x_name: str
    y_name: str
    y: Axis
    lines: tuple[Line, ...]
    summary: str
    upright: bool = False
    point: Point | None = None
    absent: str | None = None


def roc_chart(report: Report, counts: Steps) -> Chart:
    """The ROC curve with the operating point on it."""
    area = report.figures.roc_auc
    chance = Line("56,344 386,14", "chance", "chance")
    drawn = () if area.value is None else (Line(curves.roc(counts), "model", _area(area.value)),)
    sensitivity, specificity = report.figures.sensitivity.value, report.figures.specificity.value
    return Chart(
        key="roc",
        title="ROC curve",
        x_name="1 − specificity",
        y_name="sensitivity",
        y=curves.y_axis(),
        lines=(*drawn, chance),
        summary="Sensitivity against 1 − specificity at every threshold.",
        point=_point(None if specificity is None else 1 - specificity, sensitivity),
        absent=area.reason,
    )


def precision_recall_chart(report: Report, counts: Steps) -> Chart:
    """PPV against sensitivity, over the line of what chance reaches."""
    cells = report.figures.confusion
    absent = report.figures.sensitivity.reason
    lines: tuple[Line, ...] = ()
    if absent is None:
        prevalence = cells.malignant / cells.total
        height = f"{curves.y_at(prevalence):.1f}"
        chance = Line(f"56,{height} 386,{height}", "chance", f"chance: prevalence {prevalence:.3f}")
        lines = (Line(curves.precision_recall(counts), "model", "the model"), chance)
    positive = cells.tp + cells.fp
    return Chart(
        key="precision-recall",
        title="Precision and recall",
        x_name="sensitivity (recall)",
        y_name="PPV (precision)",
        y=curves.y_axis(),
        lines=lines,
        summary="PPV against sensitivity at every threshold.",
        point=_point(report.figures.sensitivity.value, cells.tp / positive if positive else None),
        absent=absent,
    )


def distribution_chart(report: Report, labels: Labels, scores: Floats) -> Chart:
    """How the scores of each class lie about the threshold."""
    drawn = curves.histogram(labels, scores)
    cells = report.figures.confusion
    lines = []
    if drawn.benign is not None:
        lines.append(Line(drawn.benign, "benign", f"benign, {cells.benign} images"))
    if drawn.malignant is not None:
        lines.append(Line(drawn.malignant, "malignant", f"malignant, {cells.malignant} images"))
    return Chart(
        key="distribution",
        title="Scores by class",
        x_name="score",
        y_name="share of the class",
        y=drawn.y,
        lines=tuple(lines),
        summary=f"Share of each class in {curves.BINS} bins of score.",
        upright=True,
        absent=report.figures.accuracy.reason,
    )


def _area(value: float) -> str:
    return f"ROC curve, area {value:.3f}"


def _point(x: float | None, y: float | None) -> Point | None:
    return None if x is None or y is None else Point(curves.x_at(x), curves.y_at(y))
