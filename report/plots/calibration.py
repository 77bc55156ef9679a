"""The calibration curve above a histogram of the scores."""

from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from base.arrays import Float64Array
from report.metrics.calibration import bin_fraction
from report.metrics.estimate import Estimate
from report.plots.canvas import (
    BLUE,
    DASHED,
    GREY,
    PALE,
    SKY,
    VERMILION,
    bare,
    blank,
    legend_beneath,
    title,
)
from report.render.sample_prevalence import in_sample
from report.render.tables import percent, short
from report.report_model import Report

_HISTOGRAM_BINS = 50
_LEGEND_LINE = 48  # characters


def draw_calibration(report: Report, scores: Float64Array) -> Figure | None:
    """The fraction of malignant images by score: a smooth curve, and tenths with Wilson intervals.

    None if no image is analysed.
    """
    if not report.figures.calibration_curve:
        return None
    picture = blank(report, (5.2, 7.4))
    above, below = picture.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    note = in_sample(report.figures)
    above.set_title(title("Calibration", report, note=note), loc="left", pad=10)
    for axes in (above, below):
        bare(axes)
        axes.grid(color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
    above.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=DASHED, label="perfect")
    _draw_curve(above, report)
    _draw_bins(above, report)
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    above.set_ylabel("fraction malignant", fontsize=12)
    below.hist(scores, bins=_HISTOGRAM_BINS, range=(0, 1), color=SKY, edgecolor=BLUE, linewidth=0.4)
    below.set_ylim(bottom=0)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set_ylabel("images", fontsize=12)
    below.set_xlabel("score", fontsize=12)
    legend_beneath(below, above)
    return picture


def _draw_curve(axes: Axes, report: Report) -> None:
    """Nothing where there is no curve."""
    curve = report.figures.smooth_calibration
    if curve.reason is not None:
        return
    level = percent(report.figures.confidence)
    axes.fill_between(curve.score, curve.low, curve.high, color=VERMILION, alpha=0.15, linewidth=0)
    label = f"smooth curve, {level} band at each score"
    axes.plot(curve.score, curve.fraction, color=VERMILION, linewidth=1.5, label=label)


def _draw_bins(axes: Axes, report: Report) -> None:
    figures = report.figures
    bins = figures.calibration_curve
    fractions = [bin_fraction(score_bin, figures.confidence) for score_bin in bins]
    values = [fraction.value or 0.0 for fraction in fractions]
    lows = [
        value - (fraction.low or 0.0) for value, fraction in zip(values, fractions, strict=True)
    ]
    highs = [
        (fraction.high or 0.0) - value for value, fraction in zip(values, fractions, strict=True)
    ]
    axes.errorbar(
        [score_bin.mean_score for score_bin in bins],
        values,
        yerr=(lows, highs),
        color=BLUE,
        linewidth=1.5 if figures.smooth_calibration.reason else 0,
        elinewidth=1,
        capsize=3,
        marker="o",
        markersize=6,
        clip_on=False,
        label=f"intercept {_brief(figures.calibration_intercept)}\n"
        f"slope {_brief(figures.calibration_slope)}\n"
        f"Brier score {short(figures.brier)}",
    )


def _brief(figure: Estimate) -> str:
    """The figure, or its reason in lines that a legend has room for."""
    return fill(short(figure, 2), _LEGEND_LINE)
