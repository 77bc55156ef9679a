"""The report in Markdown, for a notebook, an issue or a repository."""

import re
from collections.abc import Iterator

from report.contents import Report
from report.sections import (
    Section,
    figure_sections,
    flow_section,
    provenance_line,
    subgroup_sections,
    threshold_line,
    warnings,
)
from report.unlabelled import answers_sections, why_no_figures

# What would be taken for markup; a name of a run or a value of a manifest may hold anything.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(report: Report) -> str:
    """A heading, the warnings, and every table in the order in which it is read."""
    return "\n\n".join(_blocks(report))


def _blocks(report: Report) -> Iterator[str]:
    yield f"# Run {report.run.number} of {escaped(report.run.source)}"
    yield from (f"**{escaped(warning)}**" for warning in warnings(report))
    yield escaped(threshold_line(report.threshold))
    yield _table(flow_section(report.flow))
    yield from (_table(section) for section in answers_sections(report))
    if (absent := why_no_figures(report)) is not None:
        yield escaped(absent)
    else:
        subgroups = subgroup_sections(report.subgroups, report.figures.confidence)
        yield from (_table(section) for section in (*figure_sections(report.figures), *subgroups))
    yield escaped(provenance_line(report))


def _table(section: Section) -> str:
    rules = ["---:" if at in section.numeric else "---" for at in range(len(section.headings))]
    lines = [
        [escaped(heading) for heading in section.headings],
        rules,
        *([escaped(cell) for cell in row] for row in section.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(words: str) -> str:
    """`words` on one line with nothing in them that Markdown would take for markup."""
    return _MARKUP.sub(r"\\\1", " ".join(words.split()))
