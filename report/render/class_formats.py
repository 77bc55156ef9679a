"""The figures of several classes for machines: the JSON object, and rows of the CSV."""

from collections.abc import Callable, Iterator
from typing import Any

from report.metrics.estimate import Estimate
from report.render.class_tables import UNDECIDED
from report.report_model import ClassReport

Figure = Callable[[Estimate, bool], dict[str, Any]]
_EACH = ("sensitivity", "specificity", "roc_auc")


def class_dict(report: ClassReport | None, figure: Figure) -> dict[str, Any] | None:
    """The object, null if it was not asked for; `figure` makes that of one figure."""
    if report is None:
        return None
    figures = report.figures
    return {
        "truth": report.origin,
        "images": figures.images,
        "without_diagnosis": report.without,
        "other_diagnoses": dict(report.others),
        "without_probabilities": report.unstored,
        "names": [one.name for one in figures.each],
        "confusion": [list(row[:-1]) for row in figures.confusion],
        "undecided": [row[-1] for row in figures.confusion],
        "each": [
            {
                "name": one.name,
                "images": one.images,
                **{name: figure(getattr(one, name), True) for name in _EACH},
            }
            for one in figures.each
        ],
        "balanced_accuracy": figure(figures.balanced_accuracy, False),
    }


def class_rows(classes: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and figure of each row of the CSV, of what `class_dict` made."""
    if classes is None:
        return
    names = classes["names"]
    for name in ("images", "without_diagnosis", "without_probabilities"):
        yield f"classes_{name}", {"value": classes[name]}
    for name, count in classes["other_diagnoses"].items():
        yield f"classes_other_diagnosis[{name}]", {"value": count}
    for true, cells, undecided in zip(
        names, classes["confusion"], classes["undecided"], strict=True
    ):
        for answer, count in zip([*names, UNDECIDED], [*cells, undecided], strict=True):
            yield f"classes_confusion[truly={true},predicted={answer}]", {"value": count}
    for one in classes["each"]:
        for name in _EACH:
            yield f"class_{name}[{one['name']}]", one[name]
    yield "balanced_multiclass_accuracy", classes["balanced_accuracy"]
