"""The report in Markdown, for a notebook, an issue or a repository."""

from collections.abc import Sequence

from base.console.foreign import for_markdown
from report.render.document import Heading, Part, Warned, document
from report.report_model import Report
from report.table import Table


def as_markdown(report: Report) -> str:
    """A heading, the warnings, and every table in reading order."""
    return parts_as_markdown(document(report))


def parts_as_markdown(parts: Sequence[Part]) -> str:
    """Lines and tables below each other."""
    return "\n\n".join(map(_block, parts))


def _block(part: Part) -> str:
    match part:
        case Table():
            return _table(part)
        case Heading(words):
            return f"# {for_markdown(words)}"
        case Warned(words):
            return f"**{for_markdown(words)}**"
    return for_markdown(part)


def _table(table: Table) -> str:
    rules = ["---:" if index in table.numeric else "---" for index in range(len(table.headings))]
    lines = [
        [for_markdown(heading) for heading in table.headings],
        rules,
        *([for_markdown(cell) for cell in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
