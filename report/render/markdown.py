"""The report in Markdown, for a notebook, an issue or a repository."""

from collections.abc import Iterator

from base.console.foreign import for_markdown, shown
from report.render.tables import (
    figure_sections,
    flow_section,
    provenance_line,
    subgroup_sections,
    threshold_line,
    warnings,
)
from report.render.unlabelled import answers_sections, why_no_figures
from report.report_model import Report
from report.table import Section


def as_markdown(report: Report) -> str:
    """A heading, the warnings, and every table in the order in which it is read."""
    return "\n\n".join(_blocks(report))


def _blocks(report: Report) -> Iterator[str]:
    yield f"# Run {report.run.number} of {for_markdown(shown(report.run.source))}"
    yield from (f"**{for_markdown(warning)}**" for warning in warnings(report))
    yield for_markdown(threshold_line(report.threshold))
    yield _table(flow_section(report.flow))
    yield from (_table(section) for section in answers_sections(report))
    if (absent := why_no_figures(report)) is not None:
        yield for_markdown(absent)
    else:
        subgroups = subgroup_sections(report.subgroups, report.figures.confidence)
        yield from (_table(section) for section in (*figure_sections(report.figures), *subgroups))
    yield for_markdown(provenance_line(report))


def _table(section: Section) -> str:
    rules = ["---:" if at in section.numeric else "---" for at in range(len(section.headings))]
    lines = [
        [for_markdown(heading) for heading in section.headings],
        rules,
        *([for_markdown(cell) for cell in row] for row in section.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
