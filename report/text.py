"""The report for a person at a terminal, or for a file that one will read."""

from collections.abc import Iterator

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from report.contents import SYNTHETIC, Report, trained_on
from report.metrics import Accuracy, Confusion, Figure, Figures, Proportion
from report.threshold import Threshold

# A file has no width; this one folds nothing that a report prints.
_FILE_WIDTH = 400


def render(report: Report, *, terminal: bool) -> str:
    """The whole text: ruled tables as wide as the terminal, or plain aligned lines."""
    return _print(_parts(report, _rules(terminal)), terminal=terminal)


def render_figures(threshold: Threshold, figures: Figures, *, terminal: bool) -> str:
    """The 2x2 table and the figures alone, for scores that are in no ledger."""
    return _print(_operating_point(threshold, figures, _rules(terminal)), terminal=terminal)


def _rules(terminal: bool) -> box.Box | None:
    return box.SIMPLE if terminal else None


def _print(parts: Iterator[RenderableType], *, terminal: bool) -> str:
    console = Console(
        force_terminal=terminal, width=None if terminal else _FILE_WIDTH, highlight=False
    )
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=not terminal and isinstance(part, Text))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _parts(report: Report, rules: box.Box | None) -> Iterator[RenderableType]:
    yield _flow(report, rules)
    yield Text()
    if report.checkpoint.synthetic:
        yield Text(SYNTHETIC, style="bold")
    if report.flow.trained_on:
        yield Text(trained_on(report.flow), style="bold")
    yield from _operating_point(report.threshold, report.figures, rules)
    yield Text()
    yield Text(_provenance(report))


def _operating_point(
    threshold: Threshold, figures: Figures, rules: box.Box | None
) -> Iterator[RenderableType]:
    yield Text(_threshold(threshold))
    yield Text()
    yield _confusion(figures.confusion, rules)
    yield Text()
    yield _figures(figures, rules)


def _flow(report: Report, rules: box.Box | None) -> Table:
    table = _table(rules, "images", "", "")
    table.columns[1].justify = "right"
    flow = report.flow
    table.add_row("listed", str(flow.listed))
    table.add_row("unreadable", str(flow.unreadable))
    for code, number in flow.errors.items():
        table.add_row(f"  {code}", str(number))
    table.add_row("scored", str(flow.scored))
    table.add_row("labelled", str(flow.labelled))
    table.add_row("analysed", str(flow.analysed), "scored and labelled")
    return table


def _confusion(cells: Confusion, rules: box.Box | None) -> Table:
    table = _table(rules, "", "predicted benign", "predicted malignant", "all")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("truly benign", str(cells.tn), str(cells.fp), str(cells.benign))
    table.add_row("truly malignant", str(cells.fn), str(cells.tp), str(cells.malignant))
    return table


def _figures(figures: Figures, rules: box.Box | None) -> Table:
    table = _table(rules, "figure", "(95 % interval)", "")
    table.add_row("sensitivity", _short(figures.sensitivity), _exact(figures.sensitivity))
    table.add_row("specificity", _short(figures.specificity), _exact(figures.specificity))
    table.add_row("accuracy", _short(figures.accuracy), _baseline(figures.accuracy))
    table.add_row(
        "balanced accuracy",
        _short(figures.balanced_accuracy),
        "mean of sensitivity and specificity",
    )
    table.add_row("ROC AUC", _short(figures.roc_auc), "on scores, over all thresholds")
    return table


def _table(rules: box.Box | None, *headings: str) -> Table:
    table = Table(box=rules, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(Text(heading))
    return table


def _threshold(threshold: Threshold) -> str:
    return (
        f"threshold {threshold.value}, {threshold.kind}: {why(threshold)}; "
        "positive when score >= threshold"
    )


def why(threshold: Threshold) -> str:
    """Where a threshold comes from."""
    if threshold.kind == "exploratory":
        return "given on the command line, so it may have been chosen on these images"
    return f"from the model card{f', {threshold.how}' if threshold.how else ''}"


def _short(figure: Figure) -> str:
    if figure.value is None:
        return f"n/a ({figure.reason})"
    if isinstance(figure, Proportion):
        return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}"


def _exact(figure: Proportion) -> str:
    # repr is the shortest text that reads back as the same float64.
    return "" if figure.value is None else f"{figure.count}/{figure.total} = {figure.value!r}"


def _baseline(accuracy: Accuracy) -> str:
    if accuracy.value is None:
        return ""
    return f"{accuracy.count}/{accuracy.total}; always {accuracy.majority}: {accuracy.baseline:.3f}"


def _provenance(report: Report) -> str:
    run, checkpoint = report.run, report.checkpoint
    name = f" ({run.name})" if run.name else ""
    errors = "1 error" if report.flow.unreadable == 1 else f"{report.flow.unreadable} errors"
    return (
        f"run {run.number}{name} of {run.source}, checkpoint {checkpoint.file} "
        f"({checkpoint.digest[:12]}), {run.precision}, {errors}"
    )
