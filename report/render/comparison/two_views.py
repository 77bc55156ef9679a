"""A comparison of two runs as lines and tables, for text and Markdown."""

from collections.abc import Iterator
from typing import NamedTuple

from base.console.foreign import shown
from report.comparing.margin import NonInferiority, non_inferiority
from report.comparing.two_runs import Comparison, McNemar
from report.loading.apart import Apart
from report.loading.pair_clusters import PairClusters
from report.loading.pairing import Pairs
from report.loading.read_run import LoadedRun
from report.metrics.estimate import Estimate
from report.render.numbers import p_text
from report.render.tables import percent, short, threshold_line, warnings_of
from report.report_model import RunFacts
from report.table import Table
from report.thresholds.threshold import Threshold
from report.thresholds.threshold_text import score_text

# How many changed images the text lists; JSON and CSV list all.
LISTED = 20
UNPAIRED = (
    "unpaired: the runs are compared as independent, on different images; this holds only if no "
    "patient is in both"
)
_WORDS = {"roc_auc": "ROC AUC"}


class Compared(NamedTuple):
    """Everything that a comparison shows; `runs` and `thresholds` are those of A and B."""

    runs: tuple[LoadedRun, LoadedRun]
    thresholds: tuple[Threshold | None, Threshold | None]
    images: Pairs | Apart
    comparison: Comparison
    margin: float | None = None
    clusters: PairClusters | None = None

    @property
    def methods(self) -> tuple[str, str]:
        """How AUCs are compared, and how proportions are."""
        if isinstance(self.images, Apart):
            return "DeLong, unpaired", "Newcombe, unpaired"
        if self.clusters is not None:
            return "Obuchowski, paired", "Wald by clusters, paired"
        return "DeLong, paired", "Tango, paired"

    @property
    def alpha(self) -> float:
        """The one-sided level of non-inferiority."""
        return float(f"{(1 - self.comparison.confidence) / 2:.10g}")

    def non_inferior(self) -> dict[str, NonInferiority]:
        """Of each figure, whether A is not inferior to B; empty without a margin."""
        if self.margin is None:
            return {}
        differences = {
            "roc_auc": self.comparison.auc_difference,
            "sensitivity": self.comparison.malignant.difference,
            "specificity": self.comparison.benign.difference,
        }
        return {name: non_inferiority(one, self.margin) for name, one in differences.items()}


def parts(compared: Compared) -> list[str | Table]:
    """The lines and tables of a comparison in reading order."""
    images = compared.images
    if isinstance(images, Apart):
        return [
            UNPAIRED,
            *lead(compared),
            _flow_apart(images),
            _figures(compared),
            *_margin_lines(compared),
        ]
    return [
        *lead(compared),
        _flow(images),
        _figures(compared),
        _answers(compared),
        *_margin_lines(compared),
        *_changed_lines(compared),
    ]


def lead(compared: Compared) -> list[str]:
    """Which runs are A and B, at which thresholds, and the warnings of each."""
    sides = list(zip("AB", compared.runs, compared.thresholds, strict=True))
    lines = [f"{side}: {describe(one.run)}, {_at(side, at)}" for side, one, at in sides]
    lines += cluster_lines(compared.clusters)
    return lines + [
        f"{side}: {warning}"
        for side, loaded, threshold in sides
        for warning in warnings_of(loaded.checkpoint, loaded.flow, threshold)
    ]


def describe(run: RunFacts) -> str:
    """A run's number and, if it has one, its name."""
    return f"run {run.number}{f' ({shown(run.name)})' if run.name else ''}"


def brief(run: RunFacts) -> str:
    """A run's name, or its number if it has none."""
    return shown(run.name) if run.name else f"run {run.number}"


def cluster_lines(clusters: PairClusters | None) -> list[str]:
    """What the intervals are by, if images are not independent."""
    if clusters is None:
        return []
    name = shown(clusters.column)
    alone = f"; {clusters.alone} of them of one image without any" if clusters.alone else ""
    return [f"intervals and tests by {name}: {clusters.total} clusters{alone}"]


def with_reason(figure: Estimate) -> str:
    """A figure and its interval in few digits, and why one of them is undefined."""
    if figure.value is None or figure.reason is None:
        return short(figure)
    return f"{short(figure)} (no interval: {figure.reason.removeprefix('no interval: ')})"


def changed_rows(compared: Compared) -> Iterator[tuple[str, int, float, float, bool, bool]]:
    """Of each image that changed sides: path, label, both scores, both answers."""
    pairs, (first, second) = compared.images, compared.comparison.positive
    if isinstance(pairs, Apart) or first is None or second is None:
        return
    for index in compared.comparison.changed:
        a, b = pairs.scores[:, index]
        yield (
            pairs.paths[index],
            int(pairs.labels[index]),
            float(a),
            float(b),
            bool(first[index]),
            bool(second[index]),
        )


def _at(side: str, threshold: Threshold | None) -> str:
    if threshold is None:
        option = f"--threshold-{side.lower()} 0.23"
        return f"no threshold, so sensitivity and specificity are n/a: give one, such as {option}"
    return threshold_line(threshold)


def _flow_apart(images: Apart) -> Table:
    left_out = images.left_out
    a, b = (int(labels.sum()) for labels in images.labels)
    return Table(
        ("images", "A", "B", ""),
        (
            ("compared", *(str(len(labels)) for labels in images.labels), "labelled"),
            ("  malignant", str(a), str(b), ""),
            ("in both runs", str(left_out.in_both_a), str(left_out.in_both_b), "left out"),
            ("without a label", str(left_out.unlabelled_a), str(left_out.unlabelled_b), "left out"),
        ),
        frozenset({1, 2}),
    )


def _flow(pairs: Pairs) -> Table:
    left_out, labels = pairs.left_out, pairs.labels
    malignant = int(labels.sum())
    return Table(
        ("images", "", ""),
        (
            ("compared", str(len(labels)), f"{malignant} malignant, scored in both and labelled"),
            ("only A scored", str(left_out.only_a), "left out"),
            ("only B scored", str(left_out.only_b), "left out"),
            ("without a label", str(left_out.unlabelled), "left out"),
            ("of other bytes", str(left_out.other_bytes), "left out: not the same file in both"),
        ),
        frozenset({1}),
    )


def _figures(compared: Compared) -> Table:
    comparison = compared.comparison
    names = (f"{side}: {brief(one.run)}" for side, one in zip("AB", compared.runs, strict=True))
    return Table(
        (f"figure ({percent(comparison.confidence)} interval)", *names, "A − B"),
        (
            ("ROC AUC", *map(with_reason, comparison.aucs), _auc_difference(compared)),
            ("sensitivity", *_proportions(comparison.malignant, compared.methods[1])),
            ("specificity", *_proportions(comparison.benign, compared.methods[1])),
        ),
    )


def _auc_difference(compared: Compared) -> str:
    test, difference = compared.comparison.auc_test, compared.comparison.auc_difference
    if test is None:
        return short(difference)
    note = p_text(test.p) if test.p is not None else f"no test: {test.reason}"
    return f"{short(difference)}, {note} ({compared.methods[0]})"


def _proportions(of_class: McNemar, method: str) -> tuple[str, str, str]:
    (a, b), difference = of_class.right, of_class.difference
    note = "" if difference.value is None else f" ({method})"
    if difference.value is not None and difference.reason is not None:
        note = f" (no interval: {difference.reason})"
    return with_reason(a), with_reason(b), f"{short(difference)}{note}"


def _answers(compared: Compared) -> Table:
    comparison = compared.comparison
    test = "McNemar, exact" if compared.clusters is None else "Wald by clusters"
    return Table(
        ("answers that differ", "positive with A only", "positive with B only", test),
        (
            ("malignant", *_sides(comparison.malignant)),
            ("benign", *_sides(comparison.benign)),
        ),
        frozenset({1, 2}),
    )


def _sides(test: McNemar) -> tuple[str, str, str]:
    nothing = f"n/a ({test.reason})"
    a, b = (
        nothing if count is None else str(count)
        for count in (test.only_a_positive, test.only_b_positive)
    )
    return a, b, nothing if test.p is None else p_text(test.p)


def _margin_lines(compared: Compared) -> Iterator[str]:
    for name, found in compared.non_inferior().items():
        yield f"{_WORDS.get(name, name)}: {_sentence(compared, found)}"


def _sentence(compared: Compared, found: NonInferiority) -> str:
    if found.bound is None or compared.margin is None:
        return f"whether A is not inferior to B is n/a ({found.reason})"
    bound = short(Estimate(found.bound), _digits(found.bound, compared.margin))
    where = f"the lower bound of A − B, {bound} (one-sided, alpha {compared.alpha:.10g}), is"
    margin = f"within the margin of {compared.margin:.10g}"
    if found.shown:
        return f"A is not inferior to B: {where} {margin}"
    return f"not shown that A is not inferior to B: {where} not {margin}"


def _digits(bound: float, margin: float) -> int:
    """As many digits as show on which side of the margin the bound lies."""
    sides = (at for at in range(3, 17) if (round(bound, at) > -margin) == (bound > -margin))
    return next(sides, 17)


def _changed_lines(compared: Compared) -> list[str | Table]:
    a, b = compared.thresholds
    if a is None or b is None:
        return []
    count = len(compared.comparison.changed)
    if not count:
        return ["no image changed sides"]
    # Malignant images first: there, a change means a melanoma found or missed.
    listed = sorted(changed_rows(compared), key=lambda row: -row[1])[:LISTED]
    rest = f", the first {LISTED} of them (--format csv lists all)" if count > LISTED else ""
    rows = tuple(
        (
            shown(path),
            "malignant" if label else "benign",
            _scored(score_a, a.value),
            _scored(score_b, b.value),
        )
        for path, label, score_a, score_b, *_ in listed
    )
    table = Table(("image", "truth", "A", "B"), rows)
    return [f"{count} image{'' if count == 1 else 's'} changed sides{rest}", table]


def _scored(score: float, threshold: float) -> str:
    answer = "positive" if score >= threshold else "negative"
    return f"{score_text(score, threshold, 4)} {answer}"
