"""The decision curve."""

import numpy as np
from matplotlib.figure import Figure

from base.arrays import Float64Array, LabelArray
from report.metrics.net_benefit import decision_curve
from report.plots.canvas import (
    BLUE,
    DASHED,
    DOTTED,
    GREY,
    PALE,
    TALL,
    VERMILION,
    canvas,
    legend_beneath,
    mark_operating_point,
    named,
)
from report.render.numbers import decimal
from report.render.tables import where
from report.report_model import Report

_THRESHOLDS = np.arange(0, 1, 0.005)


def draw_decision(report: Report, labels: LabelArray, scores: Float64Array) -> Figure | None:
    """Net benefit of the model, of treating all and of treating none, by threshold.

    None if a class is missing.
    """
    if report.figures.roc_auc.value is None:
        return None
    picture, axes = canvas("Decision curve", report, TALL, where(report.figures))
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_xlabel("threshold probability", fontsize=12)
    axes.set_ylabel("net benefit", fontsize=12)
    axes.set(xlim=(0, 1))
    other = report.figures.at_prevalence
    prevalence = None if other is None else other.prevalence
    curve = decision_curve(labels, scores, _THRESHOLDS, prevalence)
    axes.plot(curve.thresholds, curve.model, color=BLUE, linewidth=2, label="by score")
    axes.plot(
        curve.thresholds,
        curve.treat_all,
        color=VERMILION,
        linewidth=1.5,
        linestyle=DASHED,
        label="treat all",
    )
    axes.axhline(0, color=GREY, linewidth=1.5, linestyle=DOTTED, label="treat none")
    top = prevalence or float(np.mean(labels))
    # Values far below zero only say that doing nothing is better, so they are cut off.
    lowest = -0.3 * top
    axes.set(ylim=(lowest, 1.1 * top))
    benefit = report.figures.net_benefit.value
    if benefit is not None:
        beneath = benefit < lowest
        label = f"threshold {named(report.threshold)}:\nnet benefit {decimal(benefit)}"
        label += ", below the picture" if beneath else ""
        position = (report.threshold.value, max(benefit, lowest))
        mark_operating_point(axes, *position, label, "v" if beneath else "o")
    legend_beneath(axes)
    return picture
