"""The 2x2 table."""

from dataclasses import dataclass

import numpy as np

from base.arrays import Float64Array, LabelArray


@dataclass(frozen=True, slots=True)
class Confusion:
    """The 2x2 table in images; malignant is the positive class."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def malignant(self) -> int:
        """Images that are truly malignant."""
        return self.tp + self.fn

    @property
    def benign(self) -> int:
        """Images that are truly benign."""
        return self.tn + self.fp

    @property
    def total(self) -> int:
        """All analysed images."""
        return self.malignant + self.benign

    @property
    def positive(self) -> int:
        """Images with a score at or above the threshold."""
        return self.tp + self.fp

    @property
    def negative(self) -> int:
        """Images with a score below the threshold."""
        return self.tn + self.fn


def confusion(labels: LabelArray, scores: Float64Array, threshold: float) -> Confusion:
    """Count the four cells.

    Raises:
        ValueError: the threshold is outside [0, 1], or a label is neither 0 nor 1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold} is not between 0 and 1")
    malignant, positive = labels == 1, scores >= threshold
    if np.count_nonzero(labels == 0) + np.count_nonzero(malignant) != len(labels):
        raise ValueError("a label is neither 0 nor 1")
    tp = int(np.count_nonzero(malignant & positive))
    fp = int(np.count_nonzero(positive)) - tp
    fn = int(np.count_nonzero(malignant)) - tp
    return Confusion(tp=tp, fp=fp, tn=len(labels) - tp - fp - fn, fn=fn)


def why_undefined(labels: LabelArray, nothing: str) -> str | None:
    """Why figures that need both classes are undefined; None if both classes are present.

    Args:
        labels: `[n]`, 1 malignant, 0 benign.
        nothing: the reason to give if `n` is 0.
    """
    malignant = int(np.count_nonzero(labels == 1))
    if 0 < malignant < len(labels):
        return None
    if len(labels) == 0:
        return nothing
    return "only malignant images" if malignant else "only benign images"
