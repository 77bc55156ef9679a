"""The report as tables of text, which the text, Markdown and HTML reports share."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from base.console.foreign import shown
from db.queries.report.imports import NO_SCORE
from db.views import in_words
from report.left_out.by_class import ByClass
from report.left_out.worst_case import (
    class_words,
    loses_more,
    worst_sensitivity,
    worst_specificity,
    worst_words,
)
from report.metrics.confusion import Confusion
from report.metrics.curves.area_interval import DELONG
from report.metrics.estimate import (
    Accuracy,
    Brier,
    Estimate,
    ObservedExpected,
    PartialAuc,
    Proportion,
    RocAuc,
    SpecificityAt,
)
from report.metrics.metrics import Bootstrap, Metrics
from report.metrics.subgroups import Subgroup
from report.render.cluster_lines import cluster_lines
from report.render.numbers import decimal, tenths_of_percent
from report.render.sample_prevalence import IN_SAMPLE, in_sample
from report.report_model import (
    SYNTHETIC,
    CheckpointFacts,
    Flow,
    Labelled,
    Report,
    combined,
    copies,
    gone,
    imported,
    optimistic,
    other_model,
    trained_on,
    turned,
    unchecked,
)
from report.reversed_classes import is_reversed, reversed_classes
from report.table import Table
from report.thresholds.threshold import Threshold
from report.thresholds.threshold_text import threshold_text


def figure_tables(figures: Metrics, lost: ByClass | None = None) -> list[Table]:
    """The tables of the figures: 2x2 table, operating point, ranking, calibration, usefulness.

    With `lost`, the unscored images, the worst case stands beside sensitivity and specificity.
    """
    interval = f"({percent(figures.confidence)} interval)"
    return [
        _confusion(figures.confusion),
        Table(
            ("operating point", interval, ""), tuple(_operating_point(figures, lost or ByClass()))
        ),
        Table(("ranking", interval, ""), tuple(_ranking(figures))),
        Table(("calibration", interval, ""), tuple(_calibration(figures))),
        Table(("usefulness", interval, ""), tuple(_usefulness(figures))),
        *_bootstrap(figures.bootstrap),
    ]


def warnings(report: Report, *, named: bool = True) -> list[str]:
    """Warnings that a reader must see before the figures; they name images only if `named`."""
    figures = report.figures
    late = [reversed_classes(figures.roc_auc)] if is_reversed(figures) else []
    late += cluster_lines(report, named=named)
    return warnings_of(report.checkpoint, report.flow, report.threshold, named=named) + late


def warnings_of(
    checkpoint: CheckpointFacts, flow: Flow, threshold: Threshold | None, *, named: bool = True
) -> list[str]:
    """The same warnings, for a run before its figures are computed."""
    lines = [] if checkpoint.imported is None else [imported(checkpoint.imported)]
    lines += [] if checkpoint.combined is None else [combined(checkpoint.combined)]
    lines += [SYNTHETIC] if checkpoint.synthetic else []
    lines += [unchecked(checkpoint.unchecked)] if checkpoint.unchecked else []
    lines += [trained_on(flow, quantised=checkpoint.quantised)] if flow.trained_on else []
    lines += [unequal] if (unequal := loses_more(flow.by_class)) else []
    lines += [gone(flow, named=named)] if flow.gone else []
    lines += [copies(flow, named=named)] if flow.copies > flow.copies_left_out else []
    lines += [turned(flow)] if flow.turned else []
    if threshold is None:
        return lines
    other = threshold.chosen_on is not None and threshold.chosen_on.other is not None
    lines += [other_model(threshold)] if other else []
    return lines + ([optimistic(threshold, flow.scored)] if threshold.overlap else [])


def threshold_line(threshold: Threshold) -> str:
    """The threshold, its kind, and how it was chosen."""
    value = threshold_text(threshold.value)
    return f"threshold {value}, {origin(threshold)}; positive when score >= threshold"


def origin(threshold: Threshold) -> str:
    """The threshold's kind, and how it was chosen."""
    chosen = threshold.chosen_on
    if chosen is not None:
        why = (
            f"chosen on run {chosen.run} of {shown(chosen.source)} on {chosen.date}, "
            f"{shown(chosen.how)}"
        )
    elif threshold.stated:
        why = f"given on the command line as chosen beforehand: {shown(threshold.how or '')}"
    elif threshold.kind == "exploratory" and not threshold.overlap:
        why = "given on the command line, so it may have been chosen on these images"
    else:
        why = f"from the model card{f', {shown(threshold.how)}' if threshold.how else ''}"
    return f"{threshold.kind}: {why}"


def provenance_line(report: Report) -> str:
    """The run and the checkpoint that the figures describe."""
    run, checkpoint = report.run, report.checkpoint
    name = f" ({shown(run.name)})" if run.name else ""
    errors = "1 error" if report.flow.unreadable == 1 else f"{report.flow.unreadable} errors"
    computed = ", ".join(filter(None, (run.precision, in_words(run.views), errors)))
    return (
        f"run {run.number}{name} of {shown(run.source)}, checkpoint {shown(checkpoint.file)} "
        f"({checkpoint.digest[:12]}), {computed}"
    )


def flow_table(flow: Flow) -> Table:
    """The numbers of images from the listing to the analysis."""
    unlabelled = flow.scored - flow.copies_left_out - flow.analysed
    some = f"{unlabelled} of them" if flow.analysed else "all of them"
    left_out = f"{some} without a label: left out" if unlabelled else ""
    return Table(
        ("images", "", ""),
        (
            ("listed", str(flow.listed), ""),
            *_unscored(flow),
            ("scored", str(flow.scored), left_out),
            *_copies(flow),
            ("labelled", str(flow.labelled), ""),
            *(_labelled(labelled) for labelled in flow.labels),
            ("analysed", str(flow.analysed), "scored and labelled"),
        ),
        frozenset({1}),
    )


def _unscored(flow: Flow) -> Iterator[tuple[str, str, str]]:
    codes = flow.unreadable_codes
    yield "unreadable", str(flow.unreadable), class_words(flow.by_class, *codes)
    for code in codes:
        yield f"  {code}", str(flow.errors[code]), class_words(flow.by_class, code)
    if flow.no_score:
        yield "no score given", str(flow.no_score), class_words(flow.by_class, NO_SCORE)


def _copies(flow: Flow) -> Iterator[tuple[str, str, str]]:
    if flow.copies_left_out:
        yield "  copies", str(flow.copies_left_out), "the bytes of another image: left out"


def _labelled(labelled: Labelled) -> tuple[str, str, str]:
    """The origin of a label and its meaning, because a misnamed folder would swap the labels."""
    origin = "  of unknown origin"
    if labelled.folder is not None:
        origin = f"  folder {shown(labelled.folder)}"
    elif labelled.column is not None:
        origin = f"  column {shown(labelled.column)}"
    return origin, str(labelled.images), "malignant" if labelled.label else "benign"


def subgroup_tables(subgroups: Sequence[Subgroup], confidence: float) -> list[Table]:
    """A table for each attribute."""
    headings = ("images", "malignant", "sensitivity", "specificity", "ROC AUC")
    return [
        Table(
            (f"by {shown(column)} ({percent(confidence)} interval)", *headings),
            tuple(_subgroup(subgroup) for subgroup in rows),
            frozenset({1, 2}),
        )
        for column, rows in groupby(subgroups, key=lambda subgroup: subgroup.column)
    ]


def short(figure: Estimate, digits: int = 3) -> str:
    """A figure and its interval in few digits, or `n/a` and the reason."""
    if figure.value is None:
        return f"n/a ({figure.reason})"
    value = decimal(figure.value, digits)
    if figure.low is None or figure.high is None:
        return value
    return f"{value} ({decimal(figure.low, digits)} to {decimal(figure.high, digits)})"


def where(figures: Metrics) -> str:
    """`where 2 % are malignant`; empty unless a prevalence was given."""
    other = figures.at_prevalence
    return "" if other is None else f"where {percent(other.prevalence)} are malignant"


def percent(confidence: float) -> str:
    """0.95 as `95 %`."""
    return f"{100 * confidence:.10g} %"


def _confusion(cells: Confusion) -> Table:
    return Table(
        ("", "predicted benign", "predicted malignant", "all"),
        (
            ("truly benign", str(cells.tn), str(cells.fp), str(cells.benign)),
            ("  of these", *_shares(cells.tn, cells.fp, "benign")),
            ("truly malignant", str(cells.fn), str(cells.tp), str(cells.malignant)),
            ("  of these", *_shares(cells.fn, cells.tp, "malignant")),
        ),
        frozenset({1, 2, 3}),
    )


def _shares(first: int, second: int, truth: str) -> tuple[str, str, str]:
    total = first + second
    if total == 0:
        return f"n/a (no {truth} images)", "", ""
    return f"{first / total:.3f}", f"{second / total:.3f}", "1.000"


def _operating_point(figures: Metrics, lost: ByClass) -> Iterator[tuple[str, str, str]]:
    missed = worst_words(worst_sensitivity(figures.confusion, lost), "missed")
    alarms = worst_words(worst_specificity(figures.confusion, lost), "false alarms")
    yield "sensitivity", short(figures.sensitivity), _and(_exact(figures.sensitivity), missed)
    yield "specificity", short(figures.specificity), _and(_exact(figures.specificity), alarms)
    yield (
        "balanced accuracy",
        short(figures.balanced_accuracy),
        _and("mean of sensitivity and specificity", _why_no_interval(figures.balanced_accuracy)),
    )
    yield (
        "geometric mean",
        short(figures.geometric_mean),
        _and("square root of sensitivity × specificity", _why_no_interval(figures.geometric_mean)),
    )
    yield (
        "Youden's index",
        short(figures.youden),
        _and("sensitivity + specificity − 1", _why_no_interval(figures.youden)),
    )
    stays = in_sample(figures)
    matthews = figures.matthews
    yield "Matthews correlation", short(matthews), _and(_why_no_interval(matthews), stays)
    yield "accuracy", short(figures.accuracy), _and(_baseline(figures.accuracy), stays)
    yield "F1", short(figures.f1), _and(_why_no_interval(figures.f1), stays)
    yield "PPV", short(figures.ppv), _in_sample(figures.ppv)
    yield "NPV", short(figures.npv), _in_sample(figures.npv)
    if (other := figures.at_prevalence) is not None:
        for name, figure in (("PPV", other.ppv), ("NPV", other.npv)):
            yield f"  {name}", short(figure), _and(where(figures), _why_no_interval(figure))
    yield "LR+", short(figures.lr_positive, 2), _ratio(figures.lr_positive, "positive")
    yield "LR−", short(figures.lr_negative, 2), _ratio(figures.lr_negative, "negative")


def _ranking(figures: Metrics) -> Iterator[tuple[str, str, str]]:
    auc, precision = figures.roc_auc, figures.average_precision
    yield "ROC AUC", short(auc), _and("on scores, over all thresholds", _by(auc))
    baseline = precision.baseline
    baseline_text = "" if baseline is None else f"chance reaches the prevalence: {baseline:.3f}"
    notes = _why_no_interval(precision), in_sample(figures)
    yield "average precision", short(precision), _and(baseline_text, *notes)
    partial = figures.partial_auc
    yield (
        f"partial AUC, sensitivity ≥ {partial.sensitivity:.2f}",
        short(partial),
        _corrected(partial),
    )
    for specificity in figures.specificity_at_sensitivity:
        name = f"specificity at sensitivity {specificity.sensitivity:.2f}"
        where = _and(_at_threshold(specificity), _why_no_interval(specificity))
        yield name, short(specificity), where


def _calibration(figures: Metrics) -> Iterator[tuple[str, str, str]]:
    stays = in_sample(figures)
    yield "Brier score", short(figures.brier), _and(_reference(figures.brier), stays)
    ratio = figures.observed_expected
    yield "observed / expected", short(ratio, 2), _and(_in_the_large(ratio), stays)
    intercept, slope = figures.calibration_intercept, figures.calibration_slope
    yield (
        "intercept",
        short(intercept, 2),
        _and(_if_any(intercept, "0: right on average"), stays),
    )
    yield (
        "slope",
        short(slope, 2),
        _and(_if_any(slope, "1 is right; lower: scores too extreme"), stays),
    )
    yield "ECE", short(figures.ece), _and(_if_any(figures.ece, "over tenths of equal width"), stays)


def _usefulness(figures: Metrics) -> Iterator[tuple[str, str, str]]:
    benefit, avoided, comparison = figures.net_benefit, figures.interventions_avoided, ""
    if benefit.treat_all is not None:
        comparison = f"treat all: {decimal(benefit.treat_all)}, treat none: 0"
    share = where(figures)
    yield "net benefit", short(benefit), _and(comparison, share, _why_no_interval(benefit))
    words = _if_any(avoided, "per 100 patients, against treating all")
    notes = share, _why_no_interval(avoided)
    yield "interventions avoided", short(avoided, 1), _and(words, *notes)


def _subgroup(subgroup: Subgroup) -> tuple[str, ...]:
    table = subgroup.confusion
    counts = (
        "unknown" if subgroup.value is None else shown(subgroup.value),
        str(table.total),
        str(table.malignant),
    )
    if subgroup.suppressed is not None:
        return (*counts, f"kept back ({subgroup.suppressed})", "", "")
    auc = _and(short(subgroup.roc_auc), _why_no_interval(subgroup.roc_auc))
    return (*counts, short(subgroup.sensitivity), short(subgroup.specificity), auc)


def _exact(figure: Proportion) -> str:
    if figure.value is None:
        return ""
    return _and(f"{figure.count}/{figure.total}", _why_no_interval(figure))


def _baseline(accuracy: Accuracy) -> str:
    if accuracy.value is None:
        return ""
    return f"{accuracy.count}/{accuracy.total}; always {accuracy.majority}: {accuracy.baseline:.3f}"


def _in_sample(figure: Proportion) -> str:
    if figure.value is None:
        return ""
    counts = f"{figure.count}/{figure.total}, {IN_SAMPLE}"
    return _and(counts, _why_no_interval(figure))


def _ratio(figure: Estimate, result: str) -> str:
    if figure.value is None:
        return ""
    words = f"a {result} result multiplies the odds by {decimal(figure.value, 2)}"
    return _and(words, _why_no_interval(figure))


def _reference(brier: Brier) -> str:
    if brier.value is None:
        return ""
    reference = f"forecasting the prevalence: {brier.reference:.3f}"
    scaled = "" if brier.scaled is None else f"scaled {decimal(brier.scaled)}"
    return _and(reference, scaled, _why_no_interval(brier))


def _at_threshold(specificity: SpecificityAt) -> str:
    return f"at threshold {specificity.threshold_text}" if specificity.threshold_text else ""


def _corrected(partial: PartialAuc) -> str:
    if partial.value is None:
        return ""
    most = f"of at most {1 - partial.sensitivity:.2f}; {partial.corrected:.3f} corrected (McClish)"
    return _and(most, _why_no_interval(partial))


def _in_the_large(ratio: ObservedExpected) -> str:
    """Which way the scores are wrong, and both shares."""
    if ratio.value is None:
        return ""
    shares = f"{ratio.observed:.3f} are malignant, the mean score is {ratio.expected:.3f}"
    return _and(ratio.words, shares, _why_no_interval(ratio))


def frequencies_line(figures: Metrics) -> str | None:
    """What becomes of 1,000 patients, at the prevalence that was given or that of the images."""
    found = figures.natural_frequencies
    if found is None:
        return None
    return _and(found.words, "" if figures.at_prevalence is not None else IN_SAMPLE)


def _bootstrap(drawn: Bootstrap | None) -> list[Table]:
    """How intervals were drawn, and what the number of draws leaves uncertain; none if none was."""
    if drawn is None:
        return []
    how = f"{drawn.method}s, seed {drawn.seed}"
    share = tenths_of_percent(drawn.largest_share)
    error = f"Monte-Carlo error of an end: up to {share} of the interval's width"
    rows = (("draws", f"{drawn.draws:,}", f"{how}; {error}"),)
    return [Table(("intervals by bootstrap", "", ""), rows)]


def _if_any(figure: Estimate, words: str) -> str:
    return "" if figure.value is None else words


def _why_no_interval(figure: Estimate) -> str:
    return "" if figure.value is None or figure.reason is None else figure.reason


def _by(auc: Estimate) -> str:
    """The method of the interval where it is not the usual one, or why there is none."""
    if not isinstance(auc, RocAuc) or auc.method in (None, DELONG):
        return _why_no_interval(auc)
    return f"interval: {auc.method}"


def _and(*said: str) -> str:
    return "; ".join(filter(None, said))
