"""Everything that the page shows, ready for its template. Pure: nothing is read or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from db.page import Times
from model.manifest import shown
from report.arrays import Floats, Labels
from report.confusion import Confusion
from report.contents import Report
from report.page import curves, live, provenance
from report.page.cases import Gallery, Unreadable
from report.page.charts import (
    Chart,
    calibration_chart,
    decision_chart,
    distribution_chart,
    precision_recall_chart,
    roc_chart,
)
from report.page.forest import SubgroupTable, subgroup_tables
from report.page.provenance import Fact
from report.page.steps import Steps, steps
from report.page.words import images
from report.read import Stored
from report.sections import Section, figure_sections, flow_section, origin, percent, warnings
from report.written import written


class Plot(NamedTuple):
    """Where charts draw within their 400 x 400 units, and where an upright line starts."""

    left: float
    top: float
    side: float
    x: curves.Axis
    start: float


class Cases(NamedTuple):
    """The images that the page shows; `galleries` is empty when it is to show none."""

    galleries: Sequence[Gallery]
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class Page:
    """What the template fills in."""

    title: str
    subtitle: str
    warnings: Sequence[str]
    start: str
    kind: str
    level: str
    exactness: str
    live: Sequence[live.Live]
    cells: Confusion
    plot: Plot
    roc: Chart
    charts: Sequence[Chart]
    sections: Sequence[Section]
    subgroups: Sequence[SubgroupTable]
    galleries: Sequence[Gallery]
    unreadable: Sequence[Unreadable]
    unreadable_total: int
    unreadable_words: str
    facts: Sequence[Fact]
    software: Sequence[Fact]
    card: Sequence[Fact]
    embedded: dict[str, Any]


def prepare(stored: Stored, report: Report, cases: Cases, times: Times, made: datetime) -> Page:
    """The page of a run at the threshold of `report`."""
    counts = steps(stored.labels, stored.scores, *_printed(report))
    return Page(
        title=_title(stored),
        subtitle=_subtitle(stored),
        warnings=warnings(report),
        start=written(report.threshold.value),
        kind=origin(report.threshold),
        level=percent(report.figures.confidence),
        exactness=live.exactness(counts),
        live=live.live_figures(report),
        cells=report.figures.confusion,
        plot=Plot(curves.LEFT, curves.TOP, curves.SIDE, curves.x_axis(), report.threshold.value),
        roc=roc_chart(report, counts),
        charts=_charts(report, counts, stored.labels, stored.scores),
        sections=[flow_section(report.flow), *figure_sections(report.figures)],
        subgroups=subgroup_tables(report),
        galleries=cases.galleries,
        unreadable=cases.unreadable,
        unreadable_total=report.flow.unreadable,
        unreadable_words=_unreadable(report, len(cases.unreadable)),
        facts=provenance.run_facts(stored, times, made),
        software=provenance.software(),
        card=provenance.card_facts(stored.card),
        embedded=live.embedded(report, counts),
    )


def _printed(report: Report) -> list[float]:
    """Every threshold on the page: whoever types one is to find what stands beside it."""
    found = report.figures.specificity_at_sensitivity
    return [report.threshold.value, *(float(one.written) for one in found if one.written)]


def _title(stored: Stored) -> str:
    return f"Run {stored.run.number}" + (f": {shown(stored.run.name)}" if stored.run.name else "")


def _subtitle(stored: Stored) -> str:
    flow = stored.flow
    return (
        f"{images(flow.analysed)} analysed of {flow.listed:,} listed in "
        f"{shown(stored.run.source)}, scored by {shown(stored.checkpoint.file)} "
        f"({stored.checkpoint.digest[:12]})"
    )


def _charts(report: Report, counts: Steps, labels: Labels, scores: Floats) -> list[Chart]:
    return [
        precision_recall_chart(report, counts),
        distribution_chart(report, labels, scores),
        calibration_chart(report),
        decision_chart(report, labels, scores),
    ]


def _unreadable(report: Report, listed: int) -> str:
    codes = ", ".join(f"{number} {code}" for code, number in report.flow.errors.items())
    total = report.flow.unreadable
    have = "has" if total == 1 else "have"
    left_out = f" The first {listed} are listed." if 0 < listed < total else ""
    return f"{images(total)} {have} an error instead of a score: {codes}.{left_out}"
