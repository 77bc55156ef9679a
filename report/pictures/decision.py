"""The decision curve."""

import numpy as np
from matplotlib.figure import Figure

from report.arrays import Floats, Labels
from report.confusion import why_undefined
from report.contents import Report
from report.pictures.canvas import (
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
    say_undefined,
)
from report.usefulness import decision_curve

_THRESHOLDS = np.arange(0, 1, 0.005)


def draw_decision(report: Report, labels: Labels, scores: Floats) -> Figure:
    """Net benefit of the model, of treating all and of treating none, by threshold."""
    picture, axes = canvas("Decision curve", report, TALL)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_xlabel("threshold probability", fontsize=12)
    axes.set_ylabel("net benefit", fontsize=12)
    axes.set(xlim=(0, 1))
    if (absent := why_undefined(labels, report.figures.prevalence.reason or "")) is not None:
        say_undefined(axes, absent)
        return picture
    curve = decision_curve(labels, scores, _THRESHOLDS)
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
    top = float(np.mean(labels))
    # Far below zero the curves only say: worse than doing nothing.
    axes.set(ylim=(-0.3 * top, 1.1 * top))
    benefit = report.figures.net_benefit.value
    if benefit is not None and benefit > -0.3 * top:
        words = f"threshold {named(report.threshold)}:\nnet benefit {benefit:.3f}"
        mark_operating_point(axes, report.threshold.value, benefit, words)
    legend_beneath(axes)
    return picture
