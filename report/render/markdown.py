"""The report in Markdown, for a notebook, an issue or a repository."""

from collections.abc import Iterator, Sequence

from base.console.foreign import for_markdown, shown
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


def as_markdown(report: Report) -> str:
    """A heading, the warnings, and every table in reading order."""
    return "\n\n".join(_blocks(report))


def parts_as_markdown(parts: Sequence[str | Table]) -> str:
    """Lines and tables below each other."""
    return "\n\n".join(
        _table(part) if isinstance(part, Table) else for_markdown(part) for part in parts
    )


def _blocks(report: Report) -> Iterator[str]:
    yield f"# Run {report.run.number} of {for_markdown(shown(report.run.source))}"
    yield from (f"**{for_markdown(warning)}**" for warning in warnings(report))
    yield for_markdown(threshold_line(report.threshold))
    yield _table(flow_table(report.flow))
    yield from (_table(table) for table in answers_tables(report))
    if (absent := why_no_figures(report)) is not None:
        yield for_markdown(absent)
    else:
        tables = figure_tables(report.figures, report.worst_case_of)
        yield from (_table(table) for table in tables)
        if (words := frequencies_line(report.figures)) is not None:
            yield for_markdown(words)
        subgroups = subgroup_tables(report.subgroups, report.figures.confidence)
        gaps = gap_tables(report.subgroups, report.figures.confidence)
        yield from (_table(table) for table in (*subgroups, *gaps))
    yield from (_table(table) for table in class_tables(report.classes))
    yield for_markdown(provenance_line(report))


def _table(table: Table) -> str:
    rules = ["---:" if index in table.numeric else "---" for index in range(len(table.headings))]
    lines = [
        [for_markdown(heading) for heading in table.headings],
        rules,
        *([for_markdown(cell) for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
