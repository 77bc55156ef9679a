"""Computes all figures from labels, scores and a threshold. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, LabelArray
from report.metrics import proportions
from report.metrics.calibration import (
    Bin,
    brier,
    calibration,
    calibration_bins,
    expected_calibration_error,
    observed_expected,
)
from report.metrics.confusion import Confusion, confusion
from report.metrics.curves.partial_area import partial_auc
from report.metrics.curves.smooth_calibration import smooth_calibration
from report.metrics.estimate import (
    Accuracy,
    AveragePrecision,
    Brier,
    Estimate,
    NetBenefit,
    ObservedExpected,
    PartialAuc,
    Proportion,
    SmoothCurve,
    SpecificityAt,
)
from report.metrics.likelihood import AtPrevalence, at_prevalence, lr_negative, lr_positive
from report.metrics.net_benefit import interventions_avoided, net_benefit
from report.metrics.patients.natural_frequencies import NaturalFrequencies, natural_frequencies
from report.metrics.ranking import average_precision, roc_auc, specificity_at


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals were drawn, and the standard errors that the number of draws leaves in them.

    `largest_share` is the largest of these errors as a share of its interval's width.
    """

    method: str
    draws: int
    seed: int
    monte_carlo_errors: Mapping[str, float]  # by the name of the figure
    largest_share: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of a run at one threshold; docs/report.md defines each."""

    confidence: float  # of every interval
    confusion: Confusion
    prevalence: Proportion
    sensitivity: Proportion
    specificity: Proportion
    geometric_mean: Estimate
    balanced_accuracy: Estimate
    accuracy: Accuracy
    f1: Estimate
    ppv: Proportion
    npv: Proportion
    at_prevalence: AtPrevalence | None  # None unless a prevalence was given
    lr_positive: Estimate
    lr_negative: Estimate
    roc_auc: Estimate
    average_precision: AveragePrecision
    specificity_at_sensitivity: tuple[SpecificityAt, ...]
    brier: Brier
    calibration_intercept: Estimate
    calibration_slope: Estimate
    calibration_curve: tuple[Bin, ...]
    net_benefit: NetBenefit
    youden: Estimate
    matthews: Estimate
    partial_auc: PartialAuc
    ece: Estimate
    observed_expected: ObservedExpected
    smooth_calibration: SmoothCurve
    interventions_avoided: Estimate
    natural_frequencies: NaturalFrequencies | None
    bootstrap: Bootstrap | None = None  # None where no interval was drawn


def measure(  # noqa: PLR0913 - what a report is asked for
    labels: LabelArray,
    scores: Float64Array,
    threshold: float,
    *,
    nothing: str = "no labelled images",
    confidence: float = 0.95,
    prevalence: float | None = None,
    clusters: npt.NDArray[np.integer] | None = None,
) -> Metrics:
    """All figures of the analysed images.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; without images that have no label.
        scores: `[n]`, in [0, 1]; an image is positive when its score >= `threshold`.
        threshold: in [0, 1].
        nothing: why every figure is undefined if `n` is 0.
        confidence: level of the intervals, in (0, 1).
        prevalence: in (0, 1); adds predictive values for this share of malignant images, and
            moves the net benefit there.
        clusters: `[n]`, for the intervals of the calibration; the others need `by_clusters`.

    Raises:
        ValueError: the threshold or a label is invalid.
    """
    table = confusion(labels, scores, threshold)
    calibrated = calibration(labels, scores, nothing, confidence, clusters)
    bins = calibration_bins(labels, scores)
    found = proportions.sensitivity(table, nothing), proportions.specificity(table, nothing)
    share = table.malignant / table.total if prevalence is None and table.total else prevalence
    return Metrics(
        confidence=confidence,
        confusion=table,
        prevalence=proportions.prevalence(table, nothing, confidence),
        sensitivity=proportions.sensitivity(table, nothing, confidence),
        specificity=proportions.specificity(table, nothing, confidence),
        geometric_mean=proportions.geometric_mean(table, nothing),
        balanced_accuracy=proportions.balanced_accuracy(table, nothing),
        accuracy=proportions.accuracy(table, nothing, confidence),
        f1=proportions.f1(table, nothing),
        ppv=proportions.ppv(table, nothing, confidence),
        npv=proportions.npv(table, nothing, confidence),
        at_prevalence=None
        if prevalence is None
        else at_prevalence(table, prevalence, nothing, confidence),
        lr_positive=lr_positive(table, nothing, confidence),
        lr_negative=lr_negative(table, nothing, confidence),
        roc_auc=roc_auc(labels, scores, nothing, confidence),
        average_precision=average_precision(labels, scores, nothing),
        specificity_at_sensitivity=specificity_at(labels, scores, nothing),
        brier=brier(labels, scores, nothing),
        calibration_intercept=calibrated.intercept,
        calibration_slope=calibrated.slope,
        calibration_curve=tuple(bins),
        net_benefit=net_benefit(table, threshold, nothing, prevalence),
        youden=proportions.youden(table, nothing),
        matthews=proportions.matthews(table, nothing),
        partial_auc=partial_auc(labels, scores, nothing),
        ece=expected_calibration_error(bins, nothing),
        observed_expected=observed_expected(labels, scores, nothing, confidence),
        smooth_calibration=smooth_calibration(labels, scores, nothing, confidence),
        interventions_avoided=interventions_avoided(table, threshold, nothing, prevalence),
        natural_frequencies=natural_frequencies(found[0].value, found[1].value, share or 0.0),
    )
