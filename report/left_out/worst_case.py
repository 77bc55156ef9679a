"""What unscored images can do to the figures: a test, and the worst case. Pure."""

from dataclasses import dataclass

from scipy.stats import fisher_exact  # type: ignore[import-untyped] # it ships no types

from report.left_out.by_class import ByClass
from report.metrics.confusion import Confusion

_LEVEL = 0.05  # of the test whether the classes lose the same share


@dataclass(frozen=True, slots=True)
class WorstCase:
    """Sensitivity (or specificity) as `count` of `total` if every unscored image is wrong."""

    count: int
    total: int
    unscored: int


def worst_sensitivity(table: Confusion, lost: ByClass) -> WorstCase | None:
    """With the unscored malignant images as missed; None if there are none."""
    unscored = lost.malignant.unscored
    return WorstCase(table.tp, table.malignant + unscored, unscored) if unscored else None


def worst_specificity(table: Confusion, lost: ByClass) -> WorstCase | None:
    """With the unscored benign images as false alarms; None if there are none."""
    unscored = lost.benign.unscored
    return WorstCase(table.tn, table.benign + unscored, unscored) if unscored else None


def worst_words(worst: WorstCase | None, wrong: str) -> str:
    """Such as `64/117 if the unscored count as missed`; empty without a worst case."""
    return f"{worst.count}/{worst.total} if the unscored count as {wrong}" if worst else ""


def loses_more(lost: ByClass) -> str | None:
    """The warning that one class loses a larger share of its images; None if none does.

    Fisher's exact test, two-sided, at 0.05 (Fisher 1935; as `fisher.test` of R): scores that are
    missing at random would be missing in both classes alike.
    """
    malignant, benign = lost.malignant, lost.benign
    if not (malignant.listed and benign.listed and malignant.unscored + benign.unscored):
        return None
    counts = [[each.unscored, each.listed - each.unscored] for each in (malignant, benign)]
    p = float(fisher_exact(counts).pvalue)
    if p >= _LEVEL:
        return None
    more = malignant.unscored * benign.listed > benign.unscored * malignant.listed
    return (
        f"warning: {malignant.unscored} of {malignant.listed} malignant and {benign.unscored} of "
        f"{benign.listed} benign images have no score: {'malignant' if more else 'benign'} ones "
        f"are missing more often (Fisher's exact test, {_p(p)}), so the figures may be those of "
        "easier images"
    )


def class_words(lost: ByClass, *codes: str) -> str:
    """The images with these errors by class, such as `53 malignant, 2 benign`."""
    counts = ((sum(each.errors.get(code, 0) for code in codes), name) for name, each in lost.named)
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
