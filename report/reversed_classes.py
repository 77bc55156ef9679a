"""Figures that show that labels, or the classes of a model, are the other way round. Pure."""

from math import comb

from report.metrics.estimate import Estimate
from report.metrics.metrics import Metrics


def is_reversed(figures: Metrics) -> bool:
    """Whether malignant images have lower scores than benign ones, and not by chance."""
    auc, table = figures.roc_auc, figures.confusion
    if auc.value == 0:  # of so many orders of the images it is one
        few = min(table.malignant, 20), min(table.benign, 20)
        return comb(sum(few), few[0]) * (1 - figures.confidence) > 2
    return auc.high is not None and auc.high < 0.5


def reversed_classes(auc: Estimate) -> str:
    """The warning that scores, or labels, may be those of the other class."""
    limit = f"upper limit {auc.high:.3f}" if auc.high is not None else "every pair in that order"
    return (
        f"warning: ROC AUC {auc.value:.3f} ({limit}) is below 0.5, so benign images have the "
        "higher scores: labels or classes may be reversed"
    )
