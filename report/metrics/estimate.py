"""The form of every figure: a value and its interval, or the reason why it is undefined."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure with the ends of its interval.

    If the figure is undefined, `value` is None and `reason` says why. If only the interval is
    undefined, `low` and `high` are None and `reason` says why. Some figures have neither an
    interval nor a reason.
    """

    value: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def undefined(self) -> str | None:
        """Why the figure itself is undefined; None if it has a value."""
        return self.reason if self.value is None else None


@dataclass(frozen=True, slots=True)
class Proportion(Estimate):
    """`count` out of `total`, with the ends of its Wilson interval."""

    count: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Difference(Estimate):
    """One figure minus another, with its two-sided `p`, and p `adjusted` for several tests."""

    p: float | None = None
    adjusted: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy(Proportion):
    """Accuracy, and the accuracy of always answering the more frequent class."""

    baseline: float | None = None
    majority: str | None = None


@dataclass(frozen=True, slots=True)
class RocAuc(Estimate):
    """A ROC AUC, the `method` of its interval, and DeLong's interval, or the reason for none."""

    method: str | None = None
    delong: Estimate | None = None


@dataclass(frozen=True, slots=True)
class AveragePrecision(Estimate):
    """Average precision, and the prevalence, which random scores would reach."""

    baseline: float | None = None


@dataclass(frozen=True, slots=True)
class PartialAuc(Estimate):
    """The area between the ROC curve and a `sensitivity`, and the same `corrected` by McClish."""

    sensitivity: float = 0.0
    corrected: float | None = None


@dataclass(frozen=True, slots=True)
class SpecificityAt(Estimate):
    """The best specificity at this `sensitivity` or more, and the `threshold` that gives it.

    `threshold_text` is the shortest decimal that gives the same result on these images.
    """

    sensitivity: float = 0.0
    threshold: float | None = None
    threshold_text: str = ""


@dataclass(frozen=True, slots=True)
class Brier(Estimate):
    """The Brier score, that of always forecasting the prevalence, and 1 minus their ratio."""

    reference: float | None = None
    scaled: float | None = None


@dataclass(frozen=True, slots=True)
class NetBenefit(Estimate):
    """Net benefit, and that of treating all patients; that of treating none is 0."""

    treat_all: float | None = None


@dataclass(frozen=True, slots=True)
class ObservedExpected(Estimate):
    """Malignant images over the sum of the scores; `words` say which way the scores are wrong.

    `observed` and `expected` are both shares of all images.
    """

    observed: float | None = None
    expected: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class SmoothCurve:
    """The share of malignant images by score with its pointwise band, all `[points]`.

    If there is no curve, `reason` says why.
    """

    reason: str | None
    knots: int = 0
    score: tuple[float, ...] = ()
    fraction: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
