"""Labels, scores and a threshold become figures. Pure: nothing is read and nothing is written."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

from report.arrays import Floats, Labels


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. Where it is undefined `value` is None and `reason` says why."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Proportion(Figure):
    """`count` out of `total`, with the ends of its 95 % Wilson interval."""

    count: int = 0
    total: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy(Proportion):
    """Accuracy beside what always answering the more frequent class would reach."""

    baseline: float | None = None
    majority: str | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """The 2x2 table in images; malignant is the positive class."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def malignant(self) -> int:
        """Images that are malignant in truth."""
        return self.tp + self.fn

    @property
    def benign(self) -> int:
        """Images that are benign in truth."""
        return self.tn + self.fp

    @property
    def total(self) -> int:
        """All analysed images."""
        return self.malignant + self.benign


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run is worth at one threshold."""

    confusion: Confusion
    sensitivity: Proportion
    specificity: Proportion
    accuracy: Accuracy
    balanced_accuracy: Figure
    roc_auc: Figure


class RocPoints(NamedTuple):
    """The corners of the ROC curve, both `[m]`, from (0, 0) to (1, 1)."""

    false_positives: Floats  # 1 - specificity
    sensitivity: Floats


def measure(
    labels: Labels, scores: Floats, threshold: float, *, nothing: str = "no labelled images"
) -> Figures:
    """All figures of the analysed images.

    Args:
        labels: `[n]`, 1 malignant, 0 benign; images without a label are left out beforehand.
        scores: `[n]`, in [0, 1]; an image is positive when its score >= `threshold`.
        threshold: in [0, 1].
        nothing: why every figure is undefined, should `n` be 0.
    """
    table = confusion(labels, scores, threshold)
    absent = nothing if table.total == 0 else None
    sensitivity = proportion(table.tp, table.malignant, absent or "no malignant images")
    specificity = proportion(table.tn, table.benign, absent or "no benign images")
    return Figures(
        confusion=table,
        sensitivity=sensitivity,
        specificity=specificity,
        accuracy=_accuracy(table, nothing),
        balanced_accuracy=_mean(sensitivity, specificity),
        roc_auc=_roc_auc(labels, scores, absent),
    )


def confusion(labels: Labels, scores: Floats, threshold: float) -> Confusion:
    """Count the four cells."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold} is not between 0 and 1")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("a label is neither 0 nor 1")
    malignant, positive = labels == 1, scores >= threshold
    tp = int(np.count_nonzero(malignant & positive))
    fp = int(np.count_nonzero(positive)) - tp
    fn = int(np.count_nonzero(malignant)) - tp
    return Confusion(tp=tp, fp=fp, tn=len(labels) - tp - fp - fn, fn=fn)


def proportion(count: int, total: int, reason: str) -> Proportion:
    """A proportion and its 95 % interval (Wilson 1927); undefined for `reason` if `total` is 0."""
    if total == 0:
        return Proportion(None, reason)
    low, high = proportion_confint(count, total, alpha=0.05, method="wilson")
    return Proportion(
        value=count / total,
        count=count,
        total=total,
        # Exactly 0 and 1 there, which rounding misses by a hair.
        low=float(low) if count else 0.0,
        high=float(high) if count < total else 1.0,
    )


def roc_points(labels: Labels, scores: Floats) -> RocPoints:
    """The ROC curve; both classes must be there."""
    false_positives, sensitivity, _ = roc_curve(labels, scores)
    return RocPoints(false_positives, sensitivity)


def _accuracy(table: Confusion, nothing: str) -> Accuracy:
    right = proportion(table.tp + table.tn, table.total, nothing)
    if right.value is None:
        return Accuracy(None, nothing)
    larger = max(table.benign, table.malignant)
    return Accuracy(
        value=right.value,
        count=right.count,
        total=right.total,
        low=right.low,
        high=right.high,
        baseline=larger / table.total,
        majority="benign" if table.benign == larger else "malignant",
    )


def _mean(first: Figure, second: Figure) -> Figure:
    # A mean of two proportions is none itself, so a Wilson interval would be wrong here.
    if first.value is None or second.value is None:
        return Figure(None, first.reason or second.reason)
    return Figure((first.value + second.value) / 2)


def _roc_auc(labels: Labels, scores: Floats, absent: str | None) -> Figure:
    # On scores. On answers at one threshold it would be the balanced accuracy under another name.
    kinds = np.unique(labels)
    if len(kinds) < 2:
        only = "only malignant images" if 1 in kinds else "only benign images"
        return Figure(None, absent or only)
    return Figure(float(roc_auc_score(labels, scores)))
