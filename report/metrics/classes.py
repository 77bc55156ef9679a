"""Figures of several classes: the answer is the class of the highest probability. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from base.arrays import Float32Array, Int64Array
from report.metrics.estimate import Estimate, Proportion
from report.metrics.proportions import proportion
from report.metrics.ranking import roc_auc

_NO_OTHERS = "no images of other classes"


@dataclass(frozen=True, slots=True)
class OneClass:
    """A class against all others; sensitivity and specificity are those of the answers."""

    name: str
    images: int
    sensitivity: Proportion
    specificity: Proportion
    roc_auc: Estimate


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of `k` classes.

    `confusion` has a row for each true class and a column for each answer `[k][k + 1]`. The last
    column counts images without an answer, whose highest probability two classes share.
    """

    confidence: float
    confusion: tuple[tuple[int, ...], ...]
    each: tuple[OneClass, ...]
    balanced_accuracy: Estimate

    @property
    def images(self) -> int:
        """All images."""
        return sum(map(sum, self.confusion))

    @property
    def undecided(self) -> int:
        """Images without an answer."""
        return sum(row[-1] for row in self.confusion)


def measure_classes(
    names: Sequence[str], truth: Int64Array, probabilities: Float32Array, confidence: float = 0.95
) -> ClassFigures:
    """All figures of the images.

    Args:
        names: of the `k` classes.
        truth: `[n]`, the index of each image's true class.
        probabilities: `[n, k]`.
        confidence: level of the intervals, in (0, 1).
    """
    table = _confusion(truth, probabilities)
    each = tuple(
        _one_class(name, at, table, truth, probabilities, confidence)
        for at, name in enumerate(names)
    )
    rows = tuple(tuple(row) for row in table.tolist())
    return ClassFigures(confidence, rows, each, _balanced_accuracy(each))


def _confusion(truth: Int64Array, probabilities: Float32Array) -> Int64Array:
    """Images by true class and answer `[k, k + 1]`."""
    k = probabilities.shape[1]
    highest = probabilities == probabilities.max(axis=1, keepdims=True)
    answers = np.where(highest.sum(axis=1) == 1, highest.argmax(axis=1), k)
    cells = np.bincount(truth * (k + 1) + answers, minlength=k * (k + 1))
    return cells.reshape(k, k + 1)


def _one_class(
    name: str,
    at: int,
    table: Int64Array,
    truth: Int64Array,
    probabilities: Float32Array,
    confidence: float,
) -> OneClass:
    right, images = int(table[at, at]), int(table[at].sum())
    others = int(table.sum()) - images
    wrong = int(table[:, at].sum()) - right
    absent = f"no images of {name}"
    return OneClass(
        name,
        images,
        proportion(right, images, absent, confidence),
        proportion(others - wrong, others, _NO_OTHERS, confidence),
        roc_auc(
            (truth == at).astype(np.int8), probabilities[:, at].astype(np.float64), "", confidence
        )
        if images and others
        else Estimate(None, _NO_OTHERS if images else absent),
    )


def _balanced_accuracy(each: Sequence[OneClass]) -> Estimate:
    """The mean of the sensitivities of all classes (ISIC 2018, task 3)."""
    values = [one.sensitivity.value for one in each]
    found = [value for value in values if value is not None]
    if len(found) < len(values):
        absent = [one.name for one in each if one.sensitivity.value is None]
        return Estimate(None, f"no images of {', '.join(absent)}")
    return Estimate(float(np.mean(found)))
