"""How often the 95 % interval of the ROC AUC holds the true area, by method and size of the sample.

Its table is in docs/small-samples.md; the method of `report` was chosen by it. Scores are drawn in
four ways: normal with equal spreads (`normal`), normal with twice the spread in malignant images
(`wide`), powers of uniform numbers (`power`; Lehmann), and the first in five levels, so that ties
are the rule (`levels`). An interval that does not exist, such as DeLong's at an AUC of 1, counts as
one that misses. `bench_auc_interval.py SAMPLES` draws another number of samples.
"""

import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from common import describe_machine

from base.arrays import BoolArray, Float64Array
from report.metrics.curves.area_interval import (
    DELONG,
    LOGIT,
    NEWCOMBE,
    chosen_method,
    score_function,
)

SAMPLES, SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 4000, 20060
MALIGNANT, BENIGN = (10, 20, 50, 117), (50, 200, 483)
AUCS = (0.7, 0.8, 0.9, 0.95, 0.99)
KINDS = ("normal", "wide", "power", "levels")
METHODS = (DELONG, LOGIT, "Hanley-McNeil", NEWCOMBE, "report")
LEVELS = np.array([-0.5, 0.25, 1.0, 1.75])
Z = NormalDist().inv_cdf(0.975)
Covered = dict[str, float]


class Drawn(NamedTuple):
    """Areas of many samples and DeLong's variances, both `[samples]`, and the true area."""

    areas: Float64Array
    variances: Float64Array
    truth: float


def sample(kind: str, area: float, m: int, n: int) -> Drawn:
    """So many samples of `m` malignant and `n` benign images."""
    draw = np.random.default_rng((SEED, m, n, round(area * 100)))
    if kind == "power":
        malignant = draw.random((SAMPLES, m)) ** ((1 - area) / area)
        return drawn(malignant, draw.random((SAMPLES, n)), area)
    spread = 2 if kind == "wide" else 1
    shift = NormalDist().inv_cdf(area) * (1 + spread**2) ** 0.5
    malignant, benign = draw.normal(shift, spread, (SAMPLES, m)), draw.normal(0, 1, (SAMPLES, n))
    if kind != "levels":
        return drawn(malignant, benign, area)
    high, low = (
        np.searchsorted(LEVELS, scores).astype(np.float64) for scores in (malignant, benign)
    )
    return drawn(high, low, area_of_levels(shift))


def area_of_levels(shift: float) -> float:
    """The true area between two normal distributions that are read in levels."""
    ends = [-np.inf, *LEVELS, np.inf]
    high, low = (np.diff([NormalDist(mean).cdf(end) for end in ends]) for mean in (shift, 0.0))
    return float(high @ (np.cumsum(low) - low / 2))


def drawn(malignant: Float64Array, benign: Float64Array, truth: float) -> Drawn:
    """Areas and variances of samples `[samples, m]` and `[samples, n]`."""
    first, second = shares_below(malignant, benign), shares_below(benign, malignant)
    variances = first.var(1, ddof=1) / first.shape[1] + second.var(1, ddof=1) / second.shape[1]
    return Drawn(first.mean(1), variances, truth)


def shares_below(values: Float64Array, others: Float64Array) -> Float64Array:
    """For each of `values`, the share of the others below it, equal ones counting half."""
    ordered = np.sort(others)
    twice = [
        np.searchsorted(row, each, "left") + np.searchsorted(row, each, "right")
        for row, each in zip(ordered, values, strict=True)
    ]
    shares: Float64Array = np.array(twice) / (2 * others.shape[1])
    return shares


def held(one: Drawn, m: int, n: int) -> dict[str, BoolArray]:
    """Whether each sample's interval holds the true area, by method `[samples]`."""
    area, truth, spread = one.areas, one.truth, np.sqrt(one.variances)
    inner = np.clip(area, 1e-9, 1 - 1e-9)
    logits = np.abs(np.log(inner / (1 - inner)) - np.log(truth / (1 - truth)))
    hanley = area * (1 - area) + (m - 1) * (area / (2 - area) - area**2)
    hanley += (n - 1) * (2 * area**2 / (1 + area) - area**2)
    by_method = {
        DELONG: (spread > 0) & (np.abs(area - truth) <= Z * spread),
        LOGIT: (spread > 0) & (logits * inner * (1 - inner) <= Z * spread),
        "Hanley-McNeil": (area < 1) & ((area - truth) ** 2 <= Z**2 * hanley / (m * n)),
        NEWCOMBE: np.array([score_function(truth, each, (m, n), Z) <= 0 for each in area]),
    }
    chosen = map(chosen_method, area, one.variances, [(m, n)] * len(area))
    by_method["report"] = np.array([by_method[how][at] for at, how in enumerate(chosen)])
    return by_method


def coverage() -> Iterator[tuple[str, int, float, Covered]]:
    """Kind, malignant images, area, and the coverage by method, each printed as a line."""
    print("kind", "malignant", "benign", "AUC", *METHODS, sep="\t")
    for kind in KINDS:
        for m in MALIGNANT:
            for n in BENIGN:
                for area in AUCS:
                    found = held(sample(kind, area, m, n), m, n)
                    shares = {name: float(found[name].mean()) for name in METHODS}
                    numbers = (f"{share:.3f}" for share in shares.values())
                    print(kind, m, n, area, *numbers, sep="\t", flush=True)
                    yield kind, m, area, shares


def table(
    name: str, groups: dict[object, list[Covered]], of: Callable[[list[float]], float]
) -> None:
    """Print a table in Markdown: a row for each group, a column for each method."""
    print(f"\n| {name} | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|", sep="\n")
    for group, rows in groups.items():
        cells = (f"{of([row[method] for row in rows]):.3f}" for method in METHODS)
        print(f"| {group} | {' | '.join(cells)} |")


def main() -> None:
    """Every row, and then the least coverage by size and AUC, and by kind of scores."""
    print(f"{SAMPLES} samples each\n{describe_machine()}")
    sizes: dict[object, list[Covered]] = {}
    kinds: dict[object, list[Covered]] = {}
    for kind, m, area, shares in coverage():
        sizes.setdefault(f"{m}, {area}", []).append(shares)
        kinds.setdefault(kind, []).append(shares)
    table("malignant, AUC", sizes, min)
    table("scores", kinds, min)


if __name__ == "__main__":
    main()
