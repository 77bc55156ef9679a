"""Computes all figures from labels, scores and a threshold. Pure."""

from dataclasses import dataclass

from base.arrays import Float64Array, LabelArray
from report.metrics import proportions
from report.metrics.calibration import Bin, brier, calibration, calibration_bins
from report.metrics.confusion import Confusion, confusion
from report.metrics.estimate import (
    Accuracy,
    AveragePrecision,
    Brier,
    Estimate,
    NetBenefit,
    Proportion,
    SpecificityAt,
)
from report.metrics.likelihood import AtPrevalence, at_prevalence, lr_negative, lr_positive
from report.metrics.net_benefit import net_benefit
from report.metrics.ranking import average_precision, roc_auc, specificity_at


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


def measure(
    labels: LabelArray,
    scores: Float64Array,
    threshold: float,
    *,
    nothing: str = "no labelled images",
    confidence: float = 0.95,
    prevalence: float | None = None,
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

    Raises:
        ValueError: the threshold or a label is invalid.
    """
    table = confusion(labels, scores, threshold)
    calibrated = calibration(labels, scores, nothing, confidence)
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
        calibration_curve=tuple(calibration_bins(labels, scores)),
        net_benefit=net_benefit(table, threshold, nothing, prevalence),
    )
