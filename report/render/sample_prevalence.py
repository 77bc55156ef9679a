"""Which figures stay at the sample's prevalence when another one is given, and say so."""

from report.metrics.metrics import Metrics

IN_SAMPLE = "at these images' prevalence"
# Fields of `Metrics` that another prevalence would change and that are not moved to it.
_MOVE = frozenset({"net_benefit", "interventions_avoided"})
_STAY = frozenset(
    {
        "accuracy",
        "f1",
        "ppv",
        "npv",
        "average_precision",
        "brier",
        "matthews",
        "ece",
        "observed_expected",
        "calibration_intercept",
        "calibration_slope",
    }
)


def prevalence_from(name: str, figures: Metrics) -> str | None:
    """`option` or `sample`, for a figure that depends on the prevalence where one was given."""
    if figures.at_prevalence is None:
        return None
    if name in _MOVE:
        return "option"
    return "sample" if name in _STAY else None


def in_sample(figures: Metrics) -> str:
    """What figures say that stay at the sample's prevalence; empty unless one was given."""
    return "" if figures.at_prevalence is None else IN_SAMPLE
