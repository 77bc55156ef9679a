"""Figures over all thresholds: how well the scores rank malignant images above benign ones."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import confusion, why_undefined
from report.metrics.curves.area_interval import area_interval
from report.metrics.delong import auc_interval, delong
from report.metrics.estimate import AveragePrecision, Estimate, RocAuc, SpecificityAt
from report.thresholds.threshold_text import shortest

SENSITIVITIES = (0.80, 0.90, 0.95)


class RocPoints(NamedTuple):
    """The ROC curve, all `[m]`, from (0, 0) to (1, 1); `thresholds` begins with inf."""

    false_positives: Float64Array  # 1 - specificity
    sensitivity: Float64Array
    thresholds: Float64Array


class PrecisionRecall(NamedTuple):
    """The precision-recall curve, both `[m]`, from recall 1 to recall 0."""

    precision: Float64Array  # PPV
    recall: Float64Array  # sensitivity


def roc_points(labels: LabelArray, scores: Float64Array, *, every: bool = False) -> RocPoints:
    """The ROC curve; both classes must be present.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
        every: return a point for each distinct score, not only for each corner.
    """
    return RocPoints(*roc_curve(labels, scores, drop_intermediate=not every))


def precision_recall(labels: LabelArray, scores: Float64Array) -> PrecisionRecall:
    """The precision-recall curve; both classes must be present."""
    precision, recall, _ = precision_recall_curve(labels, scores, drop_intermediate=True)
    return PrecisionRecall(precision, recall)


def roc_auc(
    labels: LabelArray, scores: Float64Array, nothing: str, confidence: float = 0.95
) -> Estimate:
    """The area under the ROC curve; where it is defined, a `RocAuc`."""
    # Computed from scores: from answers at one threshold it would equal balanced accuracy.
    if (absent := why_undefined(labels, nothing)) is not None:
        return Estimate(None, absent)
    aucs, covariance = delong(labels, scores[None])
    malignant = int(np.count_nonzero(labels == 1))
    classes = malignant, len(labels) - malignant
    return of_delong(float(aucs[0]), float(covariance[0, 0]), classes, confidence)


def of_delong(
    auc: float, variance: float, classes: tuple[int, int], confidence: float = 0.95
) -> RocAuc:
    """The figure of an AUC with DeLong's variance, of so many malignant and benign images."""
    low, high, reason, method = area_interval(auc, variance, classes, confidence)
    plain = auc_interval(auc, variance, confidence)
    return RocAuc(
        auc,
        None if reason is None else f"no interval: {reason}",
        low,
        high,
        method=method,
        delong=Estimate(auc, plain.reason, plain.low, plain.high),
    )


def average_precision(labels: LabelArray, scores: Float64Array, nothing: str) -> AveragePrecision:
    """Mean precision, weighted by the steps in recall, without interpolation."""
    if (absent := why_undefined(labels, nothing)) is not None:
        return AveragePrecision(None, absent)
    value = float(average_precision_score(labels, scores))
    return AveragePrecision(value, baseline=float((labels == 1).mean()))


def specificity_at(
    labels: LabelArray, scores: Float64Array, nothing: str
) -> tuple[SpecificityAt, ...]:
    """The best specificity at a sensitivity of at least 0.80, 0.90 and 0.95.

    Without an interval: the threshold is chosen on these images, and Wilson's ignores that.
    """
    if (absent := why_undefined(labels, nothing)) is not None:
        return tuple(SpecificityAt(None, absent, sensitivity=target) for target in SENSITIVITIES)
    points = roc_points(labels, scores, every=True)
    return tuple(_specificity_at(target, points, labels, scores) for target in SENSITIVITIES)


def _specificity_at(
    target: float, points: RocPoints, labels: LabelArray, scores: Float64Array
) -> SpecificityAt:
    # Along the curve sensitivity rises and specificity falls, so the first point is the best.
    first = int((points.sensitivity >= target).argmax())
    threshold, *below = points.thresholds[first : first + 2].tolist()
    # Counted as in a report at this threshold: 1 - (1 - x) may differ in the last digit.
    table = confusion(labels, scores, threshold)
    return SpecificityAt(
        table.tn / table.benign,
        sensitivity=target,
        threshold=threshold,
        threshold_text=shortest(threshold, below[0] if below else None),
    )
