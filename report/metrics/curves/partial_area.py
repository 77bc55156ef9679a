"""The partial ROC AUC above a sensitivity, by which ISIC 2020 and 2024 ranked."""

from base.arrays import Float64Array, LabelArray
from report.metrics.confusion import why_undefined
from report.metrics.curves.ranked import partial_areas, ranked
from report.metrics.estimate import PartialAuc

SENSITIVITY = 0.80


def partial_auc(
    labels: LabelArray, scores: Float64Array, nothing: str, sensitivity: float = SENSITIVITY
) -> PartialAuc:
    """The area above a sensitivity, of at most 1 - `sensitivity`, and McClish's corrected one."""
    if (absent := why_undefined(labels, nothing)) is not None:
        return PartialAuc(None, absent, sensitivity=sensitivity)
    area = float(partial_areas(ranked(labels, scores), sensitivity)[0])
    return PartialAuc(area, sensitivity=sensitivity, corrected=corrected(area, sensitivity))


def corrected(area: float, sensitivity: float) -> float:
    """McClish 1989: 0.5 where the scores are chance, and 1 where they are perfect."""
    most, chance = 1 - sensitivity, (1 - sensitivity) ** 2 / 2
    return (1 + (area - chance) / (most - chance)) / 2
