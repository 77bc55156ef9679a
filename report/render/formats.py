"""The report for machines, in full precision: JSON and CSV.

The schema of the JSON is docs/reference/report.schema.json.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from base.console.foreign import for_csv
from report.left_out.worst_case import WorstCase, worst_sensitivity, worst_specificity
from report.metrics.calibration import Bin, bin_fraction
from report.metrics.estimate import Estimate, NetBenefit, RocAuc
from report.metrics.likelihood import AtPrevalence
from report.metrics.patients.natural_frequencies import NaturalFrequencies
from report.metrics.subgroups import Subgroup
from report.render.class_formats import class_dict, class_rows
from report.render.cluster_lines import cluster_rows, clusters_dict
from report.render.gap_tables import gap_dict, gap_rows
from report.render.sample_prevalence import prevalence_from
from report.report_model import CheckpointFacts, Report
from report.thresholds.threshold import Threshold

# Fields of `report.metrics.metrics.Metrics` in printed order, and whether each has an interval;
# figures without an interval get no `low` and `high`.
FIGURES = {
    "prevalence": True,
    "sensitivity": True,
    "specificity": True,
    "accuracy": True,
    "balanced_accuracy": True,
    "geometric_mean": True,
    "f1": True,
    "ppv": True,
    "npv": True,
    "lr_positive": True,
    "lr_negative": True,
    "roc_auc": True,
    "average_precision": True,
    "brier": True,
    "calibration_intercept": True,
    "calibration_slope": True,
    "net_benefit": True,
    "youden": True,
    "matthews": True,
    "partial_auc": True,
    "ece": False,
    "observed_expected": True,
    "interventions_avoided": True,
}
# Additional fields of some figures.
_EXTRA_FIELDS = (
    "baseline",
    "reference",
    "scaled",
    "treat_all",
    "corrected",
    "observed",
    "expected",
    "words",
)
_PREVALENCE_FROM = "prevalence_from"  # `sample` or `option`, with --prevalence

Row = tuple[str, Any, Any, Any, str | None]


def as_json(report: Report) -> str:
    """One object. An undefined figure has the value null and a reason."""
    return json.dumps(as_dict(report), indent=2, allow_nan=False)


def as_dict(report: Report) -> dict[str, Any]:
    """The JSON object as a dictionary. Keys may be added but never renamed."""
    figures = report.figures
    return {
        "run": asdict(report.run),
        "checkpoint": checkpoint_dict(report.checkpoint),
        "flow": asdict(report.flow),
        "threshold": threshold_dict(report.threshold),
        "answers": {**report.answers._asdict(), "negative": report.answers.negative},
        "worst_case": {
            "sensitivity": _worst(worst_sensitivity(figures.confusion, report.worst_case_of)),
            "specificity": _worst(worst_specificity(figures.confusion, report.worst_case_of)),
        },
        "confidence": figures.confidence,
        "confusion": asdict(figures.confusion),
        **{
            name: _figure(getattr(figures, name), ends, prevalence_from(name, figures))
            for name, ends in FIGURES.items()
        },
        "specificity_at_sensitivity": [
            {
                "sensitivity": figure.sensitivity,
                **_figure(figure, ends=True),
                "threshold": figure.threshold,
            }
            for figure in figures.specificity_at_sensitivity
        ],
        "at_prevalence": _at_prevalence(figures.at_prevalence, figures.net_benefit),
        "calibration_curve": [
            _bin(score_bin, figures.confidence) for score_bin in figures.calibration_curve
        ],
        "smooth_calibration": asdict(figures.smooth_calibration),
        "natural_frequencies": _frequencies(figures.natural_frequencies),
        "bootstrap": None if figures.bootstrap is None else asdict(figures.bootstrap),
        "subgroups": [_subgroup(subgroup) for subgroup in report.subgroups],
        "classes": class_dict(report.classes, _figure),
        **clusters_dict(report),
    }


def checkpoint_dict(checkpoint: CheckpointFacts) -> dict[str, Any]:
    """A checkpoint; `imported` and `combined` are present only for such scores."""
    return {name: value for name, value in asdict(checkpoint).items() if value is not None}


def threshold_dict(threshold: Threshold) -> dict[str, Any]:
    """A threshold with its kind and, if known, how and on which run it was chosen."""
    shown: dict[str, Any] = {"value": threshold.value, "kind": threshold.kind}
    if threshold.how is not None:
        shown["how"] = threshold.how
    if (chosen := threshold.chosen_on) is not None:
        shown["chosen_on"] = {"run": chosen.run, "source": chosen.source, "date": chosen.date}
        if chosen.other is not None:
            shown["chosen_on"]["other_checkpoint"] = chosen.other
    if threshold.chosen_on is not None or threshold.overlap:
        shown["same_images"] = threshold.overlap > 0
    return shown


def as_csv(report: Report) -> str:
    """Rows `figure,value,low,high,reason`; an undefined or missing value is an empty cell."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("figure", "value", "low", "high", "reason"))
    writer.writerows(map(for_csv, row) for row in _rows(report))
    return lines.getvalue().rstrip("\n")


def _figure(figure: Estimate, ends: bool, source: str | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": figure.value}
    if ends or figure.low is not None:
        shown |= {"low": figure.low, "high": figure.high}
    shown |= {name: getattr(figure, name) for name in _EXTRA_FIELDS if hasattr(figure, name)}
    if figure.reason is not None:
        shown["reason"] = figure.reason
    shown |= auc_fields(figure)
    return shown if source is None else {**shown, _PREVALENCE_FROM: source}


def auc_fields(figure: Estimate) -> dict[str, Any]:
    """The method of an AUC's interval, and DeLong's interval; nothing for any other figure."""
    if not isinstance(figure, RocAuc) or figure.delong is None:
        return {}
    plain = figure.delong
    reason = {} if plain.reason is None else {"reason": plain.reason}
    ends = {"low": plain.low, "high": plain.high, **reason}
    return {"method": figure.method, "delong": ends}


def _at_prevalence(other: AtPrevalence | None, benefit: NetBenefit) -> dict[str, Any] | None:
    if other is None:
        return None
    return {
        "prevalence": other.prevalence,
        "ppv": _figure(other.ppv, ends=True),
        "npv": _figure(other.npv, ends=True),
        "net_benefit": _figure(benefit, ends=False),
    }


def _frequencies(found: NaturalFrequencies | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "words": found.words}


def _bin(score_bin: Bin, confidence: float) -> dict[str, Any]:
    fraction = _figure(bin_fraction(score_bin, confidence), ends=True)
    return {**score_bin._asdict(), "fraction": fraction}


def _subgroup(subgroup: Subgroup) -> dict[str, Any]:
    figures = {
        name: _figure(getattr(subgroup, name), ends=True)
        for name in ("sensitivity", "specificity", "roc_auc")
    }
    table = subgroup.confusion
    counts = {"images": table.total, "malignant": table.malignant, "benign": table.benign}
    whose = {"column": subgroup.column, "value": subgroup.value}
    return {**whose, **counts, **figures, "gap": gap_dict(subgroup.gap)}


def _rows(report: Report) -> Iterator[Row]:
    whole = as_dict(report)
    yield _plain("run", report.run.number)
    yield _plain("checkpoint", report.checkpoint.digest)
    yield _plain("precision", report.run.precision)
    yield _plain("views", report.run.views)
    yield _plain("synthetic", str(report.checkpoint.synthetic).lower())
    errors, labels = whole["flow"].pop("errors"), whole["flow"].pop("labels")
    del whole["flow"]["examples"]
    by_class = whole["flow"].pop("by_class")
    yield from (_plain(name, count) for name, count in whole["flow"].items())
    yield from (_plain(f"error_{code}", count) for code, count in errors.items())
    yield from _lost(by_class)
    yield from (_plain(_labelled(labelled), labelled["images"]) for labelled in labels)
    yield _plain("threshold", report.threshold.value)
    yield _plain("threshold_kind", report.threshold.kind)
    if report.threshold.stated:
        yield _plain("threshold_how", report.threshold.how)
    yield from (_plain(f"answers_{name}", count) for name, count in whole["answers"].items())
    yield _plain("confidence", report.figures.confidence)
    yield from (_plain(name, value) for name, value in cluster_rows(report))
    yield from (_plain(cell, count) for cell, count in whole["confusion"].items())
    for name, worst in whole["worst_case"].items():
        if worst:
            yield _plain(f"{name}_worst_case", worst["value"])
    for name in FIGURES:
        yield from _with_extra_fields(name, whole[name])
    for figure in whole["specificity_at_sensitivity"]:
        yield _row(f"specificity_at_sensitivity_{figure['sensitivity']:.2f}", figure)
    yield from _other_prevalence(whole["at_prevalence"])
    for name, count in (whole["natural_frequencies"] or {}).items():
        yield _plain(f"natural_frequencies_{name}", count)
    yield from _bootstrap(whole["bootstrap"])
    for subgroup in whole["subgroups"]:
        yield from _of_subgroup(subgroup)
    yield from (_row(name, figure) for name, figure in class_rows(whole["classes"]))


def _of_subgroup(subgroup: Mapping[str, Any]) -> Iterator[Row]:
    value = "unknown" if subgroup["value"] is None else subgroup["value"]
    where = f"[{subgroup['column']}={value}]"
    yield from (_plain(f"{name}{where}", subgroup[name]) for name in ("images", "malignant"))
    for name in ("sensitivity", "specificity", "roc_auc"):
        yield _row(f"{name}{where}", subgroup[name])
    yield from (_row(name, figure) for name, figure in gap_rows(subgroup["gap"], where))


def _worst(worst: WorstCase | None) -> dict[str, Any] | None:
    return None if worst is None else {"value": worst.count / worst.total, **asdict(worst)}


def _lost(by_class: Mapping[str, Any]) -> Iterator[Row]:
    """Nothing for a class without an unscored image."""
    for name, lost in by_class.items():
        if lost["unscored"]:
            yield _plain(f"unscored[{name}]", lost["unscored"])
            for code, count in lost["errors"].items():
                yield _plain(f"error_{code}[{name}]", count)


def _labelled(labelled: Mapping[str, Any]) -> str:
    origin = next(
        (f"{kind}={labelled[kind]}," for kind in ("folder", "column") if labelled[kind]), ""
    )
    return f"labelled[{origin}label={labelled['label']}]"


def _with_extra_fields(name: str, figure: Mapping[str, Any]) -> Iterator[Row]:
    yield _row(name, figure)
    for extra in _EXTRA_FIELDS:
        if extra in figure:
            reason = figure.get("reason") if figure["value"] is None else None
            yield f"{name}_{extra}", figure[extra], None, None, reason
    if _PREVALENCE_FROM in figure:
        yield _plain(f"{name}_{_PREVALENCE_FROM}", figure[_PREVALENCE_FROM])


def _other_prevalence(other: Mapping[str, Any] | None) -> Iterator[Row]:
    if other is not None:
        yield _plain("other_prevalence", other["prevalence"])
        yield _row("ppv_at_other_prevalence", other["ppv"])
        yield _row("npv_at_other_prevalence", other["npv"])


def _bootstrap(drawn: Mapping[str, Any] | None) -> Iterator[Row]:
    if drawn is not None:
        errors = drawn["monte_carlo_errors"].items()
        yield from (
            _plain(f"bootstrap_{name}", drawn[name]) for name in ("method", "draws", "seed")
        )
        yield from (_plain(f"monte_carlo_error[{name}]", error) for name, error in errors)


def _row(name: str, figure: Mapping[str, Any]) -> Row:
    return name, figure["value"], figure.get("low"), figure.get("high"), figure.get("reason")


def _plain(name: str, value: object) -> Row:
    return name, value, None, None, None
