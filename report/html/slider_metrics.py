"""The figures that follow the slider, and the data for the page's script."""

from typing import Any, NamedTuple

from scipy.stats import norm  # type: ignore[import-untyped] # it ships no types

from report.html import curves
from report.html.slider_at_prevalence import BY_CLUSTERS, moved_data, patients, shown_by_slider
from report.html.threshold_counts import ThresholdCounts
from report.metrics.estimate import Proportion
from report.metrics.proportions import NO_NEGATIVE, NO_POSITIVE
from report.report_model import Report


class SliderMetric(NamedTuple):
    """A figure that follows the slider, with its value at the starting threshold."""

    key: str
    name: str
    meaning: str
    figure: Proportion


def metrics_at_start(report: Report) -> list[SliderMetric]:
    """Sensitivity, specificity, PPV, NPV and accuracy."""
    figures, stays = report.figures, ", in this sample"
    metrics = [
        ("sensitivity", "sensitivity", "malignant images called positive", figures.sensitivity),
        ("specificity", "specificity", "benign images called negative", figures.specificity),
        ("ppv", "PPV", f"positive images that are malignant{stays}", figures.ppv),
        ("npv", "NPV", f"negative images that are benign{stays}", figures.npv),
        ("accuracy", "accuracy", _baseline(report), figures.accuracy),
    ]
    return [
        SliderMetric(key, name, meaning, shown_by_slider(report, figure))
        for key, name, meaning, figure in metrics
    ]


def embedded(report: Report, counts: ThresholdCounts) -> dict[str, Any]:
    """The data for the script, as JSON types."""
    figures = report.figures
    absent = figures.accuracy.undefined
    return {
        **counts.as_dict(),
        "start": report.threshold.value,
        # The number that statsmodels uses, so that intervals agree to the last digit.
        "z": float(norm.isf((1 - figures.confidence) / 2)),
        "reasons": {
            "sensitivity": figures.sensitivity.undefined,
            "specificity": figures.specificity.undefined,
            "ppv": absent or NO_POSITIVE,
            "npv": absent or NO_NEGATIVE,
            "accuracy": absent,
        },
        "intervals": None if report.clusters is None else BY_CLUSTERS,
        "at": moved_data(report),
        "patients": _patients(report),
        "plot": {"left": curves.LEFT, "top": curves.TOP, "side": curves.SIDE},
    }


def _patients(report: Report) -> dict[str, int] | None:
    if (found := patients(report)) is None:
        return None
    return {"patients": found.counts.patients, "melanoma": found.counts.melanoma}


def exactness(counts: ThresholdCounts) -> str:
    """A note on the thresholds that the slider can take."""
    if counts.complete:
        return "Counts are exact at every threshold."
    return (
        f"There are too many different scores to embed them all: counts are exact at "
        f"{len(counts.thresholds)} thresholds, every position of the slider among them, and the "
        "slider takes only these."
    )


def _baseline(report: Report) -> str:
    accuracy = report.figures.accuracy
    stays = ", in this sample" if report.figures.at_prevalence is not None else ""
    if accuracy.baseline is None:
        return f"right predictions of all{stays}"
    return f"right predictions{stays}; always {accuracy.majority}: {accuracy.baseline:.3f}"
