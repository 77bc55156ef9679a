"""How a report describes scored images without a label, and why figures are missing. Pure."""

from imaging.listing.labels import LABELS
from report.report_model import Report
from report.table import Table

_CLASS_FOLDERS = (
    f"class folders ({', '.join(LABELS)}; others by `producer enqueue SOURCE --label NAME=0|1`) or "
    "from the column `label` of a CSV manifest"
)
_TRUTH = "the column of the truth that `report import-scores` found, or that its --label names"


def answers_tables(report: Report) -> list[Table]:
    """Counts of positive and negative images; empty if all have labels (see the 2x2 table)."""
    answers = report.answers
    if not report.unlabelled.images:
        return []
    rows = (
        ("positive", str(answers.positive), _share(answers.positive, answers.images)),
        ("negative", str(answers.negative), _share(answers.negative, answers.images)),
    )
    return [Table(("answers", "", "share of the scored images"), rows, frozenset({1}))]


def why_no_figures(report: Report) -> str | None:
    """Why there are no figures, and where labels come from; None if there are figures."""
    flow = report.flow
    if flow.analysed:
        return None
    if not flow.scored:
        return "no image was scored, so there are no figures"
    if flow.labelled:
        return "no labelled image was scored, so nothing says which answers are right"
    origin = _CLASS_FOLDERS if report.checkpoint.imported is None else _TRUTH
    return (
        "no image has a label, so nothing says which answers are right: no sensitivity, "
        f"specificity or ROC AUC. Labels come from {origin}"
    )


def _share(count: int, total: int) -> str:
    return f"{count / total:.3f}"
