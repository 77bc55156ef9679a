"""The figures that follow the slider at the prevalence of `--prevalence`, and their data."""

from dataclasses import replace
from statistics import NormalDist
from typing import Any, NamedTuple, TypeVar

from report.metrics import likelihood, net_benefit
from report.metrics.estimate import Estimate
from report.metrics.patients.natural_frequencies import NaturalFrequencies
from report.metrics.proportions import NO_NEGATIVE, NO_POSITIVE
from report.render.numbers import decimal
from report.render.sample_prevalence import IN_SAMPLE
from report.render.tables import where
from report.report_model import Report

BY_CLUSTERS = "by clusters: see all figures"
Figure = TypeVar("Figure", bound=Estimate)


class MovedMetric(NamedTuple):
    """A figure at that prevalence, with its value at the starting threshold.

    `note` stands in place of an interval.
    """

    key: str
    name: str
    meaning: str
    figure: Estimate
    note: str


class Patients(NamedTuple):
    """The natural frequencies at the starting threshold, and the prevalence that they are of."""

    counts: NaturalFrequencies
    where: str


def moved_metrics(report: Report) -> list[MovedMetric]:
    """PPV, NPV and net benefit; none unless a prevalence was given."""
    other, benefit = report.figures.at_prevalence, report.figures.net_benefit
    if other is None:
        return []
    treat_all = "" if benefit.treat_all is None else f"treat all: {decimal(benefit.treat_all)}"
    ppv, npv = (shown_by_slider(report, figure) for figure in (other.ppv, other.npv))
    plain = replace(benefit, low=None, high=None)  # the slider has no bootstrap
    return [
        MovedMetric("ppv", "PPV", "positive images that are malignant", *_noted(ppv)),
        MovedMetric("npv", "NPV", "negative images that are benign", *_noted(npv)),
        MovedMetric("net_benefit", "net benefit", "treat none: 0", plain, treat_all),
    ]


def shown_by_slider(report: Report, figure: Figure) -> Figure:
    """The figure without an interval by clusters, which the slider cannot follow."""
    if report.clusters is None or figure.value is None:
        return figure
    return replace(figure, low=None, high=None, reason=BY_CLUSTERS)


def patients(report: Report) -> Patients | None:
    """At the given prevalence or at that of the images; None if a class is missing."""
    found = report.figures.natural_frequencies
    return None if found is None else Patients(found, where(report.figures) or IN_SAMPLE)


def moved_data(report: Report) -> dict[str, Any] | None:
    """What the script needs for `moved_metrics`, as JSON types; None without a prevalence."""
    other, table = report.figures.at_prevalence, report.figures.confusion
    if other is None:
        return None
    sizes = net_benefit.sizes_at(table.malignant, table.benign, other.prevalence)
    return {
        "odds": other.prevalence / (1 - other.prevalence),
        "z": NormalDist().inv_cdf((1 + report.figures.confidence) / 2),
        "sizes": sizes._asdict(),
        "reasons": {
            "absent": None if table.malignant and table.benign else other.ppv.reason,
            "noPositive": NO_POSITIVE,
            "noNegative": NO_NEGATIVE,
            "noFalsePositives": likelihood.NO_FALSE_POSITIVES,
            "noTrueNegatives": likelihood.NO_TRUE_NEGATIVES,
            "zeroCount": likelihood.ZERO_COUNT,
            "noVariance": likelihood.NO_VARIANCE,
            "unbounded": net_benefit.UNBOUNDED,
        },
    }


def _noted(figure: Estimate) -> tuple[Estimate, str]:
    return figure, figure.reason or ""
