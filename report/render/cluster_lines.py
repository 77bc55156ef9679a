"""What a report says of its clusters and units: lines of text, JSON and CSV. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from base.arrays import Float64Array, LabelArray
from base.console.foreign import shown
from report.clustering import bootstrap
from report.clustering.clusters import Clusters
from report.clustering.figures import ClusterFacts
from report.clustering.proportions import clustered_proportion
from report.clustering.units import UnitFacts
from report.render.numbers import tenths_of_percent
from report.report_model import Report


def cluster_lines(report: Report, *, named: bool = True) -> list[str]:
    """A line or two; they name clusters, which may be patients, only if `named`."""
    lines = [] if report.units is None else _units(report.units, named=named)
    lines += [] if report.clusters is None else [_clusters(report.clusters)]
    return lines + ([] if report.repeats is None else [independent(report.repeats)])


def operating_line(
    labels: LabelArray, scores: Float64Array, threshold: float, clusters: Clusters
) -> str:
    """Sensitivity and specificity at a threshold, with 95 % intervals by clusters."""
    shares = (
        (name, clustered_proportion((scores[of] >= threshold) == positive, clusters.codes[of], ""))
        for name, of, positive in (
            ("sensitivity", labels == 1, True),
            ("specificity", labels == 0, False),
        )
    )
    said = (
        f"{name} {share.value:.3f} " + (share.reason or f"({share.low:.3f} to {share.high:.3f})")
        for name, share in shares
    )
    return f"95 % intervals by {shown(clusters.column)}: {', '.join(said)}"


def per_unit(facts: UnitFacts | None) -> str:
    """What a threshold was chosen on, if not on images."""
    return "" if facts is None else f" per {shown(facts.column)}, {facts.aggregate}"


def independent(column: str) -> str:
    """The warning that images of one value of this column are taken as independent."""
    name = shown(column)
    return (
        f"warning: several images have the same {name}, and the intervals take them as "
        f"independent: give --cluster {name}, or --per {name} to count each once"
    )


def clusters_dict(report: Report) -> dict[str, Any]:
    """The entries of JSON; None for what was not asked for."""
    facts = report.clusters
    draws = {"draws": bootstrap.DRAWS, "seed": bootstrap.SEED, "interval": bootstrap.METHOD}
    return {
        "clusters": None if facts is None else {**asdict(facts), "bootstrap": draws},
        "units": None if report.units is None else asdict(report.units),
        "not_independent": report.repeats,
    }


def cluster_rows(report: Report) -> Iterator[tuple[str, object]]:
    """The rows of CSV, none if nothing was asked for."""
    if (units := report.units) is not None:
        yield f"units[{units.column},{units.aggregate}]", units.units
    if (facts := report.clusters) is not None:
        yield f"clusters[{facts.column}]", facts.clusters
        yield from ((f"standard_error_{name}", at) for name, at in facts.standard_errors.items())
        yield from ((f"design_effect_{name}", at) for name, at in facts.design_effects.items())


def _units(facts: UnitFacts, *, named: bool) -> list[str]:
    name = shown(facts.column)
    how = "highest" if facts.aggregate == "max" else "mean"
    alone = f"; {facts.alone} images without one count each for itself" if facts.alone else ""
    said = (
        f"each {name} counts once, {facts.units} of {facts.images} images, with the {how} score "
        f"of its images, and as malignant if one of them is{alone}"
    )
    if not facts.mixed:
        return [said]
    such = f", such as {', '.join(map(shown, facts.examples))}" if named else ""
    has = "has" if facts.mixed == 1 else "have"
    return [said, f"warning: {facts.mixed} {name} {has} images of both labels{such}"]


def _clusters(facts: ClusterFacts) -> str:
    name = shown(facts.column)
    alone = f"; {facts.alone} images without one are each a cluster" if facts.alone else ""
    effects = ", ".join(
        f"{facts.design_effects[figure]:.2f} of {figure}"
        for figure in ("sensitivity", "specificity")
        if figure in facts.design_effects
    )
    drawn = (
        f"; predictive values, ratios and means by {bootstrap.DRAWS:,} bootstrap draws "
        f"({bootstrap.METHOD}; the draws leave an end uncertain by up to "
        f"{tenths_of_percent(facts.unsure)} of the interval)"
        if facts.monte_carlo_errors
        else ""
    )
    return (
        f"intervals by {name}: {facts.clusters} clusters, {facts.malignant} with malignant and "
        f"{facts.benign} with benign images{alone}{f'; design effect {effects}' if effects else ''}"
        f"{drawn}"
    )
