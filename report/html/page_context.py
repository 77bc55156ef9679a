"""Everything that the page's template needs. Pure: nothing is read or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from base.console.foreign import shown
from db.queries.report.page import Times
from report.html import curves, provenance, slider_metrics
from report.html.cases import Gallery, Unreadable
from report.html.charts import (
    Chart,
    calibration_chart,
    decision_chart,
    distribution_chart,
    precision_recall_chart,
    roc_chart,
)
from report.html.flow import flow_svg
from report.html.forest import SubgroupTable, forest_tables
from report.html.formatting import images
from report.html.provenance import Fact
from report.html.slider_at_prevalence import (
    MovedMetric,
    Patients,
    moved_metrics,
    patients,
)
from report.html.threshold_counts import ThresholdCounts, count_by_threshold
from report.loading.read_run import LoadedRun
from report.metrics.confusion import Confusion
from report.render.tables import figure_tables, flow_table, origin, percent, warnings, where
from report.render.unlabelled import answers_tables, why_no_figures
from report.report_model import Answers, Report
from report.table import Table
from report.thresholds.threshold_text import threshold_text


class Plot(NamedTuple):
    """The plotting area within the 400 x 400 units, and where the vertical line starts."""

    left: float
    top: float
    side: float
    x: curves.Axis
    start: float


class Cases(NamedTuple):
    """The images that the page shows; `galleries` is empty if it shows and names none."""

    galleries: Sequence[Gallery]
    unreadable: Sequence[Unreadable]


@dataclass(frozen=True, slots=True)
class Page:
    """The values that the template fills in."""

    title: str
    subtitle: str
    warnings: Sequence[str]
    start: str
    start_words: str
    kind: str
    level: str
    exactness: str
    answers: Answers
    why_no_figures: str | None
    slider: Sequence[slider_metrics.SliderMetric]
    moved: Sequence[MovedMetric]
    moved_where: str
    patients: Patients | None
    cells: Confusion
    plot: Plot
    roc: Chart | None
    charts: Sequence[Chart]
    undrawn: str
    tables: Sequence[Table]
    subgroups: Sequence[SubgroupTable]
    galleries: Sequence[Gallery]
    unreadable: Sequence[Unreadable]
    unreadable_total: int
    unreadable_words: str
    facts: Sequence[Fact]
    software: Sequence[Fact]
    card: Sequence[Fact]
    embedded: dict[str, Any]
    by_clusters: bool
    flow: Markup


def prepare(loaded: LoadedRun, report: Report, cases: Cases, times: Times, made: datetime) -> Page:
    """The page of a run at the threshold of `report`."""
    printed = _printed(report)
    counts = count_by_threshold(loaded.labels, loaded.scores, *printed)
    all_counts = _of_all_scored(loaded, printed)
    charts = _charts(report, counts, loaded)
    return Page(
        title=_title(loaded),
        subtitle=_subtitle(loaded),
        warnings=warnings(report, named=bool(cases.galleries)),
        start=threshold_text(report.threshold.value),
        start_words=all_counts.rounded(report.threshold.value),
        kind=origin(report.threshold),
        level=percent(report.figures.confidence),
        exactness=slider_metrics.exactness(counts),
        answers=report.answers,
        why_no_figures=why_no_figures(report),
        slider=slider_metrics.metrics_at_start(report),
        moved=moved_metrics(report),
        moved_where=where(report.figures),
        patients=patients(report),
        cells=report.figures.confusion,
        plot=Plot(curves.LEFT, curves.TOP, curves.SIDE, curves.x_axis(), report.threshold.value),
        roc=roc_chart(report, counts) if report.figures.roc_auc.value is not None else None,
        charts=[chart for chart in charts if chart.absent is None],
        undrawn=_undrawn(report, charts),
        tables=_tables(report),
        subgroups=forest_tables(report),
        galleries=[gallery for gallery in cases.galleries if gallery.cards],
        unreadable=cases.unreadable,
        unreadable_total=report.flow.unscored,
        unreadable_words=_unreadable(report, len(cases.unreadable)),
        facts=[
            *provenance.run_facts(loaded, times, made),
            Fact("threshold, all digits", threshold_text(report.threshold.value)),
        ],
        software=provenance.software(),
        card=provenance.card_facts(loaded.card),
        embedded=slider_metrics.embedded(report, all_counts),
        by_clusters=report.clusters is not None,
        flow=flow_svg(report),
    )


def _printed(report: Report) -> list[float]:
    """Every threshold printed on the page; typing one in gives the figures printed with it."""
    found = report.figures.specificity_at_sensitivity
    return [
        report.threshold.value,
        *(float(figure.threshold_text) for figure in found if figure.threshold_text),
    ]


def _title(loaded: LoadedRun) -> str:
    return f"Run {loaded.run.number}" + (f": {shown(loaded.run.name)}" if loaded.run.name else "")


def _subtitle(loaded: LoadedRun) -> str:
    flow = loaded.flow
    return (
        f"{images(flow.analysed)} analysed of {flow.listed:,} listed in "
        f"{shown(loaded.run.source)}, scored by {shown(loaded.checkpoint.file)} "
        f"({loaded.checkpoint.digest[:12]})"
    )


def _of_all_scored(loaded: LoadedRun, printed: Sequence[float]) -> ThresholdCounts:
    labels = np.append(loaded.labels, np.full(len(loaded.unlabelled), -1, np.int8))
    return count_by_threshold(labels, np.append(loaded.scores, loaded.unlabelled), *printed)


def _charts(report: Report, counts: ThresholdCounts, loaded: LoadedRun) -> list[Chart]:
    labels, scores = loaded.labels, loaded.scores
    return [
        precision_recall_chart(report, counts),
        distribution_chart(report, labels, scores, loaded.unlabelled),
        calibration_chart(report),
        decision_chart(report, labels, scores),
    ]


def _undrawn(report: Report, charts: Sequence[Chart]) -> str:
    """Which charts are left out, and why; empty if all are drawn."""
    reason = report.figures.roc_auc.undefined
    absent = [chart.title.lower() for chart in charts if chart.absent is not None]
    return f"Not drawn ({reason}): {', '.join(['ROC curve', *absent])}." if absent else ""


def _tables(report: Report) -> list[Table]:
    lost = report.worst_case_of
    figures = figure_tables(report.figures, lost) if report.flow.analysed else []
    return [flow_table(report.flow), *answers_tables(report), *figures]


def _unreadable(report: Report, listed: int) -> str:
    codes = ", ".join(f"{count} {code}" for code, count in report.flow.errors.items())
    total = report.flow.unscored
    have = "has" if total == 1 else "have"
    left_out = f" The first {listed} are listed." if 0 < listed < total else ""
    return f"{images(total)} {have} no score: {codes}.{left_out}"
