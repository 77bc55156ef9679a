"""The report as text for a terminal or a file."""

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from base.console.foreign import for_terminal
from report.left_out.by_class import ByClass
from report.metrics.metrics import Metrics
from report.render.class_tables import class_tables
from report.render.gap_tables import gap_tables
from report.render.tables import (
    figure_tables,
    flow_table,
    frequencies_line,
    provenance_line,
    subgroup_tables,
    threshold_line,
    warnings,
)
from report.render.unlabelled import answers_tables, why_no_figures
from report.report_model import Report
from report.table import Table
from report.thresholds.threshold import Threshold

# A file has no width; this width wraps no line of a report.
_FILE_WIDTH = 400


def render(report: Report, *, terminal: bool) -> str:
    """The whole report: tables with rules as wide as the terminal, or plain aligned lines."""
    return _print(_parts(report, _rules(terminal)), terminal=terminal)


def render_figures(threshold: Threshold, figures: Metrics, *, terminal: bool) -> str:
    """Only the 2x2 table and the figures, for scores outside a ledger."""
    lead = _line(threshold_line(threshold))
    return _print([lead, *_figures(figures, _rules(terminal))], terminal=terminal)


def render_parts(parts: Sequence[str | Table], *, terminal: bool) -> str:
    """Lines and tables below each other, with an empty line around each table."""
    rules = _rules(terminal)
    shown: list[RenderableType] = []
    for index, part in enumerate(parts):
        if index and isinstance(part, Table) | isinstance(parts[index - 1], Table):
            shown.append(Text())
        shown.append(_table(part, rules) if isinstance(part, Table) else _line(part))
    return _print(shown, terminal=terminal)


def _rules(terminal: bool) -> box.Box | None:
    return box.SIMPLE if terminal else None


def _print(parts: Iterable[RenderableType], *, terminal: bool) -> str:
    console = Console(
        force_terminal=terminal, width=None if terminal else _FILE_WIDTH, highlight=False
    )
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=not terminal and isinstance(part, Text))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _parts(report: Report, rules: box.Box | None) -> Iterator[RenderableType]:
    yield _table(flow_table(report.flow), rules)
    yield Text()
    for warning in warnings(report):
        yield _line(warning, style="bold")
    yield _line(threshold_line(report.threshold))
    yield from _spaced(answers_tables(report), rules)
    if (absent := why_no_figures(report)) is not None:
        yield Text()
        yield Text(absent)
    else:
        yield from _figures(report.figures, rules, report.worst_case_of)
        if (words := frequencies_line(report.figures)) is not None:
            yield Text()
            yield _line(words)
        yield from _spaced(subgroup_tables(report.subgroups, report.figures.confidence), rules)
        yield from _spaced(gap_tables(report.subgroups, report.figures.confidence), rules)
    yield from _spaced(class_tables(report.classes), rules)
    yield Text()
    yield _line(provenance_line(report))


def _spaced(tables: Iterable[Table], rules: box.Box | None) -> Iterator[RenderableType]:
    for table in tables:
        yield Text()
        yield _table(table, rules)


def _figures(
    figures: Metrics, rules: box.Box | None, lost: ByClass | None = None
) -> Iterator[RenderableType]:
    cells, *groups = figure_tables(figures, lost)
    yield Text()
    yield _table(cells, rules)
    # The names in all groups have the same width, so that the figures form one column.
    width = max(cell_len(row[0]) for group in groups for row in group.rows)
    for group in groups:
        yield Text()
        yield _table(group, rules, width)


def _line(words: str, style: str = "") -> Text:
    return Text(for_terminal(words), style=style)


def _table(table: Table, rules: box.Box | None, width: int | None = None) -> RichTable:
    drawn = RichTable(box=rules, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for index, heading in enumerate(table.headings):
        drawn.add_column(
            _line(heading),
            justify="right" if index in table.numeric else "left",
            min_width=width if index == 0 else None,
            # In a narrow terminal the other columns wrap; rich would cut them off otherwise.
            no_wrap=index == 0 and width is not None,
            overflow="fold",
        )
    for row in table.rows:
        drawn.add_row(*map(_line, row))
    return drawn
