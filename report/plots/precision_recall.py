"""The precision-recall curve."""

import numpy as np
from matplotlib.figure import Figure

from base.arrays import Float64Array, LabelArray
from report.metrics.ranking import precision_recall
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
from report.render.sample_prevalence import in_sample
from report.report_model import Report


def draw_precision_recall(
    report: Report, labels: LabelArray, scores: Float64Array
) -> Figure | None:
    """Precision against recall, the operating point, and the prevalence that chance reaches.

    None if a class is missing.
    """
    average, figures = report.figures.average_precision, report.figures
    if average.value is None or average.baseline is None:
        return None
    picture, axes = canvas("Precision-recall curve", report, TALL, in_sample(figures))
    unit_square(axes, "recall (sensitivity)", "precision (PPV)")
    points = precision_recall(labels, scores)
    # By convention the curve ends at a precision of 1. No threshold gives that, and if the highest
    # scores are benign it would draw a vertical line.
    precision = np.append(points.precision[:-1], points.precision[-2])
    axes.plot(
        *thinned(points.recall, precision),
        color=BLUE,
        linewidth=2,
        drawstyle="steps-post",
        clip_on=False,
        label=f"average precision = {average.value:.2f}",
    )
    if figures.ppv.value is not None and figures.sensitivity.value is not None:
        label = (
            f"threshold {named(report.threshold)}:\n"
            f"sensitivity {figures.sensitivity.value:.2f}, PPV {figures.ppv.value:.2f}"
        )
        mark_operating_point(axes, figures.sensitivity.value, figures.ppv.value, label)
    axes.axhline(
        average.baseline,
        color=GREY,
        linewidth=1,
        linestyle=DASHED,
        label=f"chance: prevalence {average.baseline:.2f}",
    )
    legend_beneath(axes)
    return picture
