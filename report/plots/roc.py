"""The ROC curve."""

from matplotlib.figure import Figure

from base.arrays import Float64Array, LabelArray
from report.metrics.ranking import roc_points
from report.plots.canvas import (
    BLUE,
    DASHED,
    GREY,
    TALL,
    canvas,
    legend_beneath,
    mark_operating_point,
    named,
    thinned,
    unit_square,
)
from report.render.tables import percent
from report.report_model import Report


def draw_roc(report: Report, labels: LabelArray, scores: Float64Array) -> Figure | None:
    """The ROC curve with its area, the operating point, and the diagonal of chance.

    None if a class is missing.
    """
    figures = report.figures
    if figures.roc_auc.value is None:
        return None
    picture, axes = canvas("ROC curve", report, TALL)
    unit_square(axes, "1 − specificity", "sensitivity")
    points = roc_points(labels, scores)
    axes.plot(
        *thinned(points.false_positives, points.sensitivity),
        color=BLUE,
        linewidth=2,
        clip_on=False,
        label=_area(report),
    )
    sensitivity, specificity = figures.sensitivity.value, figures.specificity.value
    if sensitivity is not None and specificity is not None:
        label = (
            f"threshold {named(report.threshold)}:\n"
            f"sensitivity {sensitivity:.2f}, specificity {specificity:.2f}"
        )
        mark_operating_point(axes, 1 - specificity, sensitivity, label)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, label="chance")
    legend_beneath(axes)
    return picture


def _area(report: Report) -> str:
    area = report.figures.roc_auc
    words = f"ROC curve (area = {area.value:.2f})"
    if area.low is None or area.high is None:
        return words
    level = percent(report.figures.confidence)
    return f"{words}\n{level} interval {area.low:.2f} to {area.high:.2f}"
