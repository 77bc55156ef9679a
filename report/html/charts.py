"""The charts of the page; a chart that cannot be drawn gives the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from base.arrays import NO_SCORES, Float64Array, LabelArray
from report.html import curves
from report.html.curves import Axis
from report.html.formatting import images
from report.html.threshold_counts import ThresholdCounts
from report.metrics.calibration import Bin, bin_fraction
from report.metrics.net_benefit import decision_curve
from report.render.sample_prevalence import in_sample
from report.render.tables import percent, where
from report.report_model import Report

Style = Literal["model", "chance", "malignant", "benign", "unlabelled", "treat-all"]

# The net benefit axis reaches down to minus this share of its top; lower values do not matter.
_BELOW_ZERO = 2 / 5
_FAR_BELOW = 10  # likewise, where lines below the axis end
_THRESHOLDS = np.arange(200) / 200  # of the decision curve; net benefit is unbounded at 1


class Line(NamedTuple):
    """A line, its style, and its text in the legend."""

    points: curves.Path
    style: Style
    words: str


class Point(NamedTuple):
    """The position of a marker in SVG units; `low` and `high` are the ends of its error bar."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. The slider moves its `point`, or if `upright` a vertical line at the threshold."""

    key: str
    title: str
    x_name: str
    y_name: str
    y: Axis
    lines: tuple[Line, ...]
    summary: str
    upright: bool = False
    point: Point | None = None
    marks: tuple[Point, ...] = ()
    marks_words: str = ""
    absent: str | None = None


def roc_chart(report: Report, counts: ThresholdCounts) -> Chart:
    """The ROC curve with the operating point; both classes must be present."""
    sensitivity, specificity = report.figures.sensitivity.value, report.figures.specificity.value
    return Chart(
        key="roc",
        title="ROC curve",
        x_name="1 − specificity",
        y_name="sensitivity",
        y=curves.y_axis(),
        lines=(Line(curves.roc(counts), "model", _area(report)), _diagonal("chance")),
        summary="Sensitivity against 1 − specificity at every threshold.",
        point=_point(None if specificity is None else 1 - specificity, sensitivity),
    )


def precision_recall_chart(report: Report, counts: ThresholdCounts) -> Chart:
    """PPV against sensitivity, with a line at the level of chance."""
    figures = report.figures
    area, prevalence = figures.average_precision.value, figures.prevalence.value
    lines: tuple[Line, ...] = ()
    if area is not None and prevalence is not None:
        level = curves.path(np.array([0.0, 1.0]), np.full(2, prevalence), curves.y_axis())
        lines = (
            Line(curves.precision_recall(counts), "model", f"average precision {area:.3f}"),
            Line(level, "chance", f"chance: prevalence {prevalence:.3f}"),
        )
    return Chart(
        key="precision-recall",
        title=_title("Precision and recall", in_sample(figures)),
        x_name="sensitivity (recall)",
        y_name="PPV (precision)",
        y=curves.y_axis(),
        lines=lines,
        summary="PPV against sensitivity at every threshold.",
        point=_point(figures.sensitivity.value, figures.ppv.value),
        absent=figures.average_precision.undefined,
    )


def distribution_chart(
    report: Report, labels: LabelArray, scores: Float64Array, unlabelled: Float64Array = NO_SCORES
) -> Chart:
    """The distributions of the scores of each class and of images without a label."""
    drawn = curves.histogram(labels, scores, unlabelled)
    cells = report.figures.confusion
    lines = []
    if drawn.benign is not None:
        lines.append(Line(drawn.benign, "benign", f"benign, {images(cells.benign)}"))
    if drawn.malignant is not None:
        lines.append(Line(drawn.malignant, "malignant", f"malignant, {images(cells.malignant)}"))
    if drawn.unlabelled is not None:
        without = f"without a label, {images(len(unlabelled))}"
        lines.append(Line(drawn.unlabelled, "unlabelled", without))
    return Chart(
        key="distribution",
        title="Scores by class" if len(labels) else "Scores",
        x_name="score",
        y_name="share of the class" if len(labels) else "share of the images",
        y=drawn.y,
        lines=tuple(lines),
        summary=f"Share of each class in {curves.BINS} bins of score.",
        upright=True,
        absent=None if lines else report.figures.accuracy.undefined,
    )


def calibration_chart(report: Report) -> Chart:
    """The share of malignant images in each tenth of the scores, against the mean score."""
    level = percent(report.figures.confidence)
    return Chart(
        key="calibration",
        title=_title("Calibration", in_sample(report.figures)),
        x_name="mean score of the tenth",
        y_name="share of malignant images",
        y=curves.y_axis(),
        lines=(_diagonal("perfect calibration"),),
        summary="Share of malignant images against mean score, by tenths of the score.",
        upright=True,
        marks=tuple(_marks(report)),
        marks_words=f"tenths of the score, {level} intervals",
        absent=report.figures.accuracy.undefined,
    )


def decision_chart(report: Report, labels: LabelArray, scores: Float64Array) -> Chart:
    """Net benefit by threshold, compared with treating all patients and treating none."""
    absent = report.figures.average_precision.undefined  # undefined without both classes
    other = report.figures.at_prevalence
    prevalence = None if other is None else other.prevalence
    high = curves.round_up(max(prevalence or report.figures.prevalence.value or 0, 0.05))
    y = curves.y_axis(high, -high * _BELOW_ZERO)
    lines: tuple[Line, ...] = ()
    if absent is None:
        drawn = decision_curve(labels, scores, _THRESHOLDS, prevalence)
        none = np.zeros_like(_THRESHOLDS)
        lowest = -_FAR_BELOW * high  # a PDF would hold a million dashes on the way to −200
        lines = (
            _benefit(drawn.treat_all, lowest, y, "treat-all", "treat all"),
            _benefit(none, lowest, y, "chance", "treat none"),
            _benefit(drawn.model, lowest, y, "model", "the model"),
        )
    return Chart(
        key="decision",
        title=_title("Decision curve", where(report.figures)),
        x_name="threshold",
        y_name="net benefit",
        y=y,
        lines=lines,
        summary="Net benefit against threshold, of the model, of treating all and of none.",
        upright=True,
        absent=absent,
    )


def _benefit(values: Float64Array, lowest: float, y: Axis, style: Style, words: str) -> Line:
    return Line(curves.path(_THRESHOLDS, np.maximum(values, lowest), y), style, words)


def _title(what: str, at: str) -> str:
    return f"{what}, {at}" if at else what


def _area(report: Report) -> str:
    area = report.figures.roc_auc
    words = f"ROC curve, area {area.value:.3f}"
    if area.low is None or area.high is None:
        return words
    return f"{words} ({area.low:.3f} to {area.high:.3f})"


def _marks(report: Report) -> Iterator[Point]:
    return (
        _mark(score_bin, report.figures.confidence)
        for score_bin in report.figures.calibration_curve
    )


def _mark(score_bin: Bin, confidence: float) -> Point:
    y = curves.y_axis()
    fraction = bin_fraction(score_bin, confidence)
    value, low, high = (
        curves.svg_y(value or 0, y) for value in (fraction.value, fraction.low, fraction.high)
    )
    return Point(curves.svg_x(score_bin.mean_score), value, low, high)


def _diagonal(words: str) -> Line:
    ends = np.array([0.0, 1.0])
    return Line(curves.path(ends, ends, curves.y_axis()), "chance", words)


def _point(x: float | None, y: float | None) -> Point | None:
    if x is None or y is None:
        return None
    return Point(curves.svg_x(x), curves.svg_y(y, curves.y_axis()))
