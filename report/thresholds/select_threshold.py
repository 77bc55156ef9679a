"""Chooses a threshold by a criterion, on labelled scores. Pure.

Each observed score is a candidate for the lowest positive score. The threshold lies half-way to the
next lower score, as in training (`report.thresholds.operating_point`). If several candidates are
equally good, the lowest threshold is chosen, because a missed melanoma is worse than a false alarm.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import click
import numpy as np
import numpy.typing as npt

from base.arrays import Float64Array, Int64Array, LabelArray
from report.thresholds.operating_point import just_below, threshold_for_sensitivity
from report.thresholds.threshold_text import threshold_text

Kind = Literal["sensitivity", "specificity", "youden", "cost"]


class ChoiceError(click.ClickException):
    """No threshold can be chosen on these images by this criterion."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a threshold must achieve: a `target` in (0, 1], or the lowest cost of FN and FP."""

    kind: Kind
    target: float = 0.0
    costs: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    prevalence: float | None = None  # at which costs are weighed; None: that of the images

    def __str__(self) -> str:
        """The criterion as text, for the ledger and the reader."""
        match self.kind:
            case "youden":
                return "the highest Youden index"
            case "cost":
                missed, alarm = (threshold_text(float(cost)) for cost in self.costs)
                where = (
                    ""
                    if self.prevalence is None
                    else f", where {100 * self.prevalence:.10g} % are malignant"
                )
                return (
                    f"the lowest cost at {missed} a false negative and {alarm} a false positive"
                    f"{where}"
                )
        return f"{self.kind} at least {threshold_text(self.target)}"


class Cuts(NamedTuple):
    """Counts with each distinct score as the lowest positive one, descending; all `[m]`."""

    scores: Float64Array
    tp: Int64Array
    fp: Int64Array


def choose_by(criterion: Criterion, labels: LabelArray, scores: Float64Array) -> float:
    """The threshold that the criterion chooses on these images.

    Args:
        criterion: its kind and target or costs.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].

    Raises:
        ChoiceError: a class is missing, or no observed score reaches the target.
    """
    for label, name in ((1, "malignant"), (0, "benign")):
        if not np.any(labels == label):
            raise ChoiceError(f"no threshold can be chosen without {name} images that are scored")
    if criterion.kind == "sensitivity":
        return threshold_for_sensitivity(labels, scores, criterion.target)
    if criterion.kind == "specificity":
        return _for_specificity(labels, scores, criterion.target)
    cuts = cuts_of(labels, scores)
    gains: npt.NDArray[Any] = (
        _youden(cuts) if criterion.kind == "youden" else -_cost(cuts, *_weighed(criterion, cuts))
    )
    # Scores descend, so the last of the best candidates is the lowest.
    best = int(np.flatnonzero(gains == gains.max())[-1])
    return just_below(scores, float(cuts.scores[best]))


def cuts_of(labels: LabelArray, scores: Float64Array) -> Cuts:
    """True and false positives at every observed score."""
    order = np.argsort(scores)[::-1]
    ordered, malignant = scores[order], labels[order] == 1
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    tp = np.cumsum(malignant, dtype=np.int64)[last]
    return Cuts(ordered[last], tp, last + 1 - tp)


def _for_specificity(labels: LabelArray, scores: Float64Array, target: float) -> float:
    """The lowest, and so most sensitive, threshold with a specificity of at least `target`."""
    benign = np.sort(scores[labels == 0])
    # As for sensitivity: rounding must not require one more image.
    needed = max(1, math.ceil(target * len(benign) - 1e-9))
    above = scores[scores > benign[needed - 1]]
    if not len(above):
        raise ChoiceError(
            f"no observed score reaches specificity {threshold_text(target)}: the highest, "
            f"{threshold_text(float(benign[needed - 1]))}, is a benign image's"
        )
    return just_below(scores, float(above.min()))


def _youden(cuts: Cuts) -> Int64Array:
    # (TP / P - FP / N) * P * N, in integers so that ties are exact.
    gains: Int64Array = cuts.tp * cuts.fp[-1] - cuts.fp * cuts.tp[-1]
    return gains


def _weighed(criterion: Criterion, cuts: Cuts) -> tuple[Fraction, Fraction]:
    """The cost of one FN and of one FP of these images, as if they had the prevalence p.

    The expected cost is FN/P x p x its cost + FP/N x (1 - p) x its cost; here times P x N.
    """
    missed, alarm = criterion.costs
    if criterion.prevalence is None:
        return missed, alarm
    p = Fraction(repr(criterion.prevalence))
    return missed * p * int(cuts.fp[-1]), alarm * (1 - p) * int(cuts.tp[-1])


def _cost(cuts: Cuts, false_negative: Fraction, false_positive: Fraction) -> npt.NDArray[Any]:
    # Integers again, with both costs over a common denominator; Python integers never overflow.
    common = math.lcm(false_negative.denominator, false_positive.denominator)
    missed = (cuts.tp[-1] - cuts.tp).astype(object) * int(false_negative * common)
    costs: npt.NDArray[Any] = missed + cuts.fp.astype(object) * int(false_positive * common)
    return costs
