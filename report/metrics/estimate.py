"""What every figure is: a value and its interval, or the reason why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure with the ends of its interval.

    Where it is undefined `value` is None and `reason` says why. Where only its interval is, `low`
    and `high` are None and `reason` says why. Some figures have no interval and no reason.
    """

    value: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """`count` out of `total`, with the ends of its Wilson interval."""

    count: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Accuracy(Proportion):
    """Accuracy beside what always answering the more frequent class would reach."""

    baseline: float | None = None
    majority: str | None = None


@dataclass(frozen=True, slots=True)
class AveragePrecision(Estimate):
    """Average precision beside the prevalence, which scores drawn at random would reach."""

    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class SpecificityAt(Estimate):
    """The best specificity with at least this `sensitivity`, and the `threshold` that gives it.

    `threshold_text` is the shortest decimal that gives it on these images too.
    """

    sensitivity: float = 0.0
    threshold: float | None = None
    threshold_text: str = ""


@dataclass(frozen=True, slots=True)
class Brier(Estimate):
    """The Brier score, that of forecasting the prevalence for everybody, and 1 - their ratio."""

    reference: float | None = None
    scaled: float | None = None


@dataclass(frozen=True, slots=True)
class NetBenefit(Estimate):
    """Net benefit beside that of treating everybody; of treating nobody it is 0."""

    treat_all: float | None = None
