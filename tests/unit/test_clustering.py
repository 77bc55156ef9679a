"""Figures of clustered images: against formulas written out, and against published answers."""

import csv
import math
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from base.arrays import Float64Array, Int64Array, LabelArray
from report.clustering.bootstrap import (
    DRAWS,
    FIGURES,
    Cells,
    Patterns,
    avoided_at,
    draw,
    net_benefit_at,
    npv_at,
    patterns,
    percentile,
    ppv_at,
)
from report.clustering.obuchowski import obuchowski
from report.clustering.proportions import clustered_proportion, spread
from report.clustering.repeats import repeating_column
from report.metrics.confusion import Confusion
from report.metrics.delong import auc_interval, delong, paired_test
from report.metrics.likelihood import at_prevalence, lr_negative, lr_positive
from report.metrics.net_benefit import interventions_avoided, net_benefit
from report.metrics.proportions import (
    balanced_accuracy,
    f1,
    geometric_mean,
    matthews,
    npv,
    ppv,
    proportion,
    youden,
)

ISIC_2019 = Path(__file__).parents[3] / "shared/data/isic2019_scores/scores.csv"


def _clustered(
    seed: int, clusters: int = 40, models: int = 2
) -> tuple[LabelArray, Float64Array, Int64Array]:
    """Clusters of 1 to 4 images, some of both labels, with a common part in their scores."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), random.integers(1, 5, clusters))
    labels = (random.random(len(codes)) < 0.4).astype(np.int8)
    common = random.normal(size=clusters)[codes]
    scores = labels + common + random.normal(size=(models, len(codes)))
    order = random.permutation(len(codes))
    return labels[order], np.round(scores[:, order], 1), codes[order]


def _obuchowski_by_pairs(
    labels: LabelArray, scores: Float64Array, clusters: Int64Array
) -> tuple[list[float], list[list[float]]]:
    """Obuchowski 1997 from all pairs, loop by loop."""
    models, found = len(scores), sorted(set(clusters.tolist()))
    m, n = int(labels.sum()), int((1 - labels).sum())
    psi = [
        {
            (i, j): (row[i] > row[j]) + (row[i] == row[j]) / 2
            for i, j in product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0))
        }
        for row in scores
    ]
    aucs = [sum(one.values()) / (m * n) for one in psi]

    def summed(model: int, cluster: int, label: int) -> float:
        rows = [i for i in np.flatnonzero(clusters == cluster) if labels[i] == label]
        at = 0 if label else 1
        total = sum(v for pair, v in psi[model].items() if pair[at] in rows)
        return float(total / (n if label else m) - len(rows) * aucs[model])

    def within(label: int, r: int, s: int) -> float:
        those = [c for c in found if label in labels[clusters == c]]
        products = sum(summed(r, c, label) * summed(s, c, label) for c in those)
        return len(those) / (len(those) - 1) * products

    def across(r: int, s: int) -> float:
        products = sum(summed(r, c, 1) * summed(s, c, 0) for c in found)
        return len(found) / (len(found) - 1) * products

    covariance = [
        [
            within(1, r, s) / m**2
            + within(0, r, s) / n**2
            + (across(r, s) + across(s, r)) / (m * n)
            for s in range(models)
        ]
        for r in range(models)
    ]
    return aucs, covariance


@pytest.mark.parametrize("seed", [1, 2])
def test_obuchowski_is_the_formula_over_all_pairs(seed: int) -> None:
    labels, scores, clusters = _clustered(seed, clusters=15)
    aucs, covariance = _obuchowski_by_pairs(labels, scores, clusters)
    found = obuchowski(labels, scores, clusters)
    assert found.aucs == pytest.approx(aucs, abs=1e-13)
    assert found.covariance == pytest.approx(np.array(covariance), abs=1e-13)


def test_single_images_as_clusters_give_delong() -> None:
    labels, scores, _ = _clustered(3)
    one_each = np.arange(len(labels))[::-1].copy()
    found, plain = obuchowski(labels, scores, one_each), delong(labels, scores)
    assert found.covariance == pytest.approx(plain.covariance, rel=1e-12)
    assert paired_test(found).p == pytest.approx(paired_test(plain).p)


def test_the_interval_of_the_auc_holds_in_19_of_20_studies() -> None:
    # 200 clusters of 3 images, correlation 0.5; benchmarks/bench_clusters.py has more studies.
    random, clusters, held = np.random.default_rng(0), np.repeat(np.arange(200), 3), 0
    for _ in range(400):
        labels = (random.random(600) < 0.25).astype(np.int8)
        common, own = random.normal(size=200)[clusters], random.normal(size=600)
        scores = 1.5 * labels + (common + own) * math.sqrt(0.5)
        found = obuchowski(labels, scores[None], clusters)
        ends = auc_interval(float(found.aucs[0]), float(found.covariance[0, 0]))
        held += (ends.low or 0) <= NormalDist().cdf(1.5 / math.sqrt(2)) <= (ends.high or 1)
    assert 0.93 <= held / 400 <= 0.96


def test_images_twice_in_one_cluster_add_no_certainty() -> None:
    labels, scores, _ = _clustered(4)
    codes = np.arange(len(labels))
    twice = obuchowski(np.tile(labels, 2), np.tile(scores, 2), np.tile(codes, 2))
    once = obuchowski(labels, scores, codes)
    assert twice.covariance == pytest.approx(once.covariance, rel=1e-12)


def test_a_class_of_one_cluster_has_no_variance() -> None:
    labels = np.array([1, 1, 0, 0])
    found = obuchowski(labels, np.array([[0.9, 0.8, 0.1, 0.85]]), np.array([0, 0, 1, 2]))
    assert found.aucs.tolist() == [0.75]
    assert math.isnan(found.covariance[0, 0])


def test_the_ratio_estimator_counted_by_hand() -> None:
    # Three clusters: 2 of 2, 1 of 2, 0 of 1. Share 3/5, residuals 0.8, -0.2, -0.6.
    hits = np.array([True, True, True, False, False])
    found = spread(hits, np.array([4, 4, 0, 0, 2]))
    variance = 3 / 2 * (0.64 + 0.04 + 0.36) / 25
    assert found.clusters == 3
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    assert found.design_effect == pytest.approx(variance / (0.6 * 0.4 / 5))


def test_clusters_that_are_all_alike_count_as_single_images() -> None:
    hits = np.ones(12, bool)
    figure = clustered_proportion(hits, np.repeat(np.arange(4), 3), "")
    assert (figure.count, figure.total) == (12, 12)
    assert figure.low == proportion(4, 4, "").low
    half = clustered_proportion(np.tile([True, False], 3), np.repeat(np.arange(3), 2), "")
    assert (half.value, half.low, half.reason) == (0.5, None, "every cluster has the same share")
    one = clustered_proportion(np.array([True, False]), np.array([0, 0]), "")
    assert (one.value, one.low, one.reason) == (0.5, None, "all images are of one cluster")
    assert clustered_proportion(np.zeros(0, bool), np.zeros(0, int), "none").reason == "none"


def _isic_2019() -> tuple[LabelArray, Float64Array, Int64Array]:
    if not ISIC_2019.exists():
        pytest.skip(f"{ISIC_2019} is absent")
    with ISIC_2019.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names: dict[str, int] = {}
    codes = [names.setdefault(r["lesion_id"] or r["image_name"], len(names)) for r in rows]
    labels = np.array([int(r["target"]) for r in rows], np.int8)
    return labels, np.array([float(r["score"]) for r in rows]), np.array(codes)


def test_known_answers_by_lesion() -> None:
    labels, scores, clusters = _isic_2019()
    auc = obuchowski(labels, scores[None], clusters)
    assert f"{auc.aucs[0]:.10f}" == "0.8880541435"
    assert f"{math.sqrt(auc.covariance[0, 0]):.10f}" == "0.0049000550"
    known = {
        (1, 0.5): ("0.6797972817", "0.0131044460", "3.424701", "0.653603", "0.704905", 1667),
        (0, 0.5): ("0.8868858954", "0.0036614187", "2.698321", "0.879510", "0.893865", 12238),
        (1, 0.3): ("0.9728173232", "0.0034210774", "1.921286", "0.965267", "0.978762", 1667),
        (0, 0.3): ("0.4444334390", "0.0049609702", "2.012657", "0.434733", "0.454176", 12238),
    }
    for (label, threshold), expected in known.items():
        of = labels == label
        hits = (scores[of] >= threshold) == (label == 1)
        share, found = clustered_proportion(hits, clusters[of], ""), spread(hits, clusters[of])
        assert (
            f"{share.value:.10f}",
            f"{found.standard_error:.10f}",
            f"{found.design_effect:.6f}",
            f"{share.low:.6f}",
            f"{share.high:.6f}",
            found.clusters,
        ) == expected


TABLES = [
    Confusion(3, 5, 20, 2),
    Confusion(7, 0, 9, 1),
    Confusion(0, 3, 4, 2),
    Confusion(5, 2, 0, 0),
]


def test_figures_of_draws_are_those_of_the_report() -> None:
    cells = Cells(*np.array([[t.tp, t.fp, t.tn, t.fn] for t in TABLES]).T)
    figures = {
        "balanced_accuracy": balanced_accuracy,
        "geometric_mean": geometric_mean,
        "f1": f1,
        "ppv": ppv,
        "npv": npv,
        "lr_positive": lr_positive,
        "lr_negative": lr_negative,
        "youden": youden,
        "matthews": matthews,
    }
    assert figures.keys() == FIGURES.keys()
    expected = {name: [of(t, "").value for t in TABLES] for name, of in figures.items()}
    expected["ppv_at"] = [at_prevalence(t, 0.02, "").ppv.value for t in TABLES]
    expected["npv_at"] = [at_prevalence(t, 0.02, "").npv.value for t in TABLES]
    for share in (None, 0.02):
        at = f"at {share}"
        expected[f"net benefit {at}"] = [net_benefit(t, 0.2, "", share).value for t in TABLES]
        expected[f"avoided {at}"] = [interventions_avoided(t, 0.2, "", share).value for t in TABLES]
    drawn = {
        **FIGURES,
        "ppv_at": ppv_at(0.02),
        "npv_at": npv_at(0.02),
        **{f"net benefit at {share}": net_benefit_at(0.2, share) for share in (None, 0.02)},
        **{f"avoided at {share}": avoided_at(0.2, share) for share in (None, 0.02)},
    }
    with np.errstate(all="ignore"):
        for name, figure in drawn.items():
            values = [v if math.isfinite(v) else None for v in figure(cells).tolist()]
            assert values == [None if e is None else pytest.approx(e) for e in expected[name]], name


def test_patterns_are_the_counts_of_each_cluster() -> None:
    labels = np.array([1, 1, 0, 0, 1, 0, 1, 1])
    positive = np.array([1, 0, 1, 0, 1, 0, 1, 0], bool)
    found = patterns(labels, positive, np.array([7, 7, 7, 1, 3, 5, 2, 2]))
    those = dict(zip(map(tuple, found.counts.tolist()), found.clusters.tolist(), strict=True))
    assert those == {(1, 1, 0, 1): 1, (0, 0, 1, 0): 2, (1, 0, 0, 0): 1, (1, 0, 0, 1): 1}
    alone = patterns(labels, positive)
    assert (alone.counts.T @ alone.clusters).tolist() == [3, 1, 2, 2]


def test_draws_are_the_same_on_every_machine() -> None:
    drawn = draw(
        Patterns(np.array([[2, 0, 1, 0], [0, 1, 2, 1], [0, 0, 3, 0]]), np.array([30, 20, 50]))
    )
    assert [column[:4].tolist() for column in drawn] == [
        [60, 50, 56, 68],
        [26, 28, 20, 18],
        [214, 222, 224, 214],
        [26, 28, 20, 18],
    ]
    assert len(drawn.tp) == DRAWS


def test_draws_of_patterns_are_draws_of_clusters() -> None:
    labels, scores, clusters = _clustered(5, clusters=60, models=1)
    positive = scores[0] >= 0.5
    drawn = draw(patterns(labels, positive, clusters))
    random = np.random.default_rng(6)
    rows = [np.flatnonzero(clusters == c) for c in range(60)]
    truth, answers = labels == 1, positive
    plain = []
    for _ in range(2000):
        chosen = np.concatenate([rows[c] for c in random.integers(0, 60, 60)])
        plain.append((truth & answers)[chosen].sum() / answers[chosen].sum())
    found = percentile(FIGURES["ppv"], drawn)
    low, high = np.quantile(plain, [0.025, 0.975])
    assert found.monte_carlo_error is not None
    assert found.low == pytest.approx(low, abs=4 * found.monte_carlo_error)
    assert found.high == pytest.approx(high, abs=4 * found.monte_carlo_error)
    again = [
        percentile(FIGURES["ppv"], draw(patterns(labels, positive, clusters), s))
        for s in range(2, 22)
    ]
    stated = np.std([one.high or 0.0 for one in again], ddof=1)
    assert found.monte_carlo_error == pytest.approx(stated, rel=1)


@pytest.mark.parametrize(
    ("counts", "figure", "reason"),
    [
        ([[1, 0, 0, 0], [0, 0, 1, 0]], "ppv", "the same in all draws"),
        ([[1, 1, 0, 0], [0, 0, 1, 1]], "ppv", "the same in all draws"),
        ([[1, 0, 1, 0], [0, 1, 1, 1]], "lr_positive", "without bound in too many draws"),
        ([[0, 0, 1, 0], [1, 0, 0, 1]], "ppv", "undefined in"),
    ],
)
def test_draws_without_an_interval_say_why(
    counts: list[list[int]], figure: str, reason: str
) -> None:
    drawn = draw(Patterns(np.array(counts), np.array([8, 2])))
    found = percentile(FIGURES[figure], drawn)
    assert (found.low, found.high) == (None, None)
    assert found.reason is not None
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (("lesion_id",), "lesion_id"),
        (("Lesion", "sex"), "Lesion"),
        (("patientId",), "patientId"),
        (("sex", "case_num"), "case_num"),
        (("lesion_id", "site_id", "patient_id"), "patient_id"),
        (("site_id",), "site_id"),
        (("site", "casein", "lesions_seen"), None),
    ],
)
def test_the_column_of_clusters_is_found_by_its_name(
    columns: tuple[str, ...], named: str | None
) -> None:
    images = [dict.fromkeys(columns, value) for value in ("1", "2", "", "2", "")]
    assert repeating_column(images) == named
    assert repeating_column(images[:3]) is None


def test_a_column_of_one_value_is_no_cluster_unless_it_is_called_so() -> None:
    same = [{"site_id": "1", "image_id": str(at)} for at in range(3)]
    assert repeating_column(same) is None
    assert repeating_column([{"patient": "1"}] * 2) == "patient"
