"""A report in reading order: headings, lines, tables. For Markdown, LaTeX and Word. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from base.console.foreign import shown
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


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a report."""

    words: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning."""

    words: str


Part = Heading | Warned | Table | str


def document(report: Report) -> list[Part]:
    """A heading, the warnings, and every table."""
    absent = why_no_figures(report)
    return [
        Heading(f"Run {report.run.number} of {shown(report.run.source)}"),
        *map(Warned, warnings(report)),
        threshold_line(report.threshold),
        flow_table(report.flow),
        *answers_tables(report),
        *(_figures(report) if absent is None else [absent]),
        *class_tables(report.classes),
        provenance_line(report),
    ]


def _figures(report: Report) -> Iterator[Part]:
    yield from figure_tables(report.figures, report.worst_case_of)
    if (words := frequencies_line(report.figures)) is not None:
        yield words
    yield from subgroup_tables(report.subgroups, report.figures.confidence)
    yield from gap_tables(report.subgroups, report.figures.confidence)
