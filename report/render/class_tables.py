"""The figures of several classes as tables of text."""

from collections.abc import Iterator

from base.console.foreign import shown
from report.metrics.classes import ClassFigures, OneClass
from report.render.tables import percent, short
from report.report_model import ClassReport
from report.table import Table

# Diagnoses that are none of the classes, and are named.
_MOST_NAMED = 10
UNDECIDED = "undecided"


def class_tables(report: ClassReport | None) -> list[Table]:
    """Images, confusion matrix, each class, and all together; none if they were not asked for."""
    if report is None:
        return []
    figures = report.figures
    headings = ("images", "sensitivity", "specificity", "ROC AUC")
    first = f"class against the rest ({percent(figures.confidence)} interval)"
    balanced = short(figures.balanced_accuracy)
    return [
        Table(("classes", "", ""), tuple(_images(report)), frozenset({1})),
        _confusion(figures),
        Table((first, *headings), tuple(map(_one_class, figures.each)), frozenset({1})),
        Table(
            ("all classes", "", ""),
            (("balanced multi-class accuracy", balanced, "mean of the classes' sensitivities"),),
        ),
    ]


def _images(report: ClassReport) -> Iterator[tuple[str, str, str]]:
    yield "compared", str(report.figures.images), f"true class by {report.origin}"
    if report.without:
        yield "without a diagnosis", str(report.without), "left out"
    if report.others:
        named = [f"{shown(name)} ({count})" for name, count in report.others.items()]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        few = ", ".join(named[:_MOST_NAMED])
        yield "of other diagnoses", str(sum(report.others.values())), f"left out: {few}{more}"
    if report.unstored:
        yield "without probabilities", str(report.unstored), "left out: of an older release"


def _confusion(figures: ClassFigures) -> Table:
    """True classes downwards, answers to the right."""
    names = [shown(one.name) for one in figures.each]
    columns = [*names, UNDECIDED] if figures.undecided else names
    rows = tuple(
        (f"truly {name}", *map(str, cells[: len(columns)]), str(sum(cells)))
        for name, cells in zip(names, figures.confusion, strict=True)
    )
    headings = ("predicted", *columns, "all")
    return Table(headings, rows, frozenset(range(1, len(headings))))


def _one_class(one: OneClass) -> tuple[str, ...]:
    auc = short(one.roc_auc)
    if one.roc_auc.value is not None and one.roc_auc.reason is not None:
        auc = f"{auc}; {one.roc_auc.reason}"
    return shown(one.name), str(one.images), short(one.sensitivity), short(one.specificity), auc
