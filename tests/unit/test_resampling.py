"""Bootstrap intervals over images, against images that are drawn one by one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isic2017 import submitted
from sklearn.metrics import average_precision_score

from base.arrays import Float64Array, LabelArray
from report.clustering.bootstrap import DRAWS
from report.metrics.curves.ranked import average_precisions, partial_areas, ranked
from report.metrics.metrics import Metrics, measure
from report.resampling import over_images
from report.resampling.over_images import add_intervals
from report.resampling.ranking import draw_ranked, draw_specificities

BOOTSTRAPPED = (
    *("balanced_accuracy", "geometric_mean", "f1", "youden", "matthews", "net_benefit"),
    *("interventions_avoided", "brier", "average_precision", "partial_auc"),
)


def images(n: int = 150) -> tuple[LabelArray, Float64Array]:
    draw = np.random.default_rng(5)
    labels: LabelArray = np.repeat(np.array([1, 0], np.int8), (n // 5, n - n // 5))
    middle = np.where(labels == 1, 0.6, 0.4)
    scores: Float64Array = np.round(np.clip(draw.normal(middle, 0.15), 0, 1), 2).astype(np.float64)
    return labels, scores


def of(labels: LabelArray, scores: Float64Array, threshold: float = 0.5) -> Metrics:
    return add_intervals(measure(labels, scores, threshold), labels, scores, threshold)


def one_by_one(
    labels: LabelArray, figure: Callable[[np.ndarray], float], *, by_class: bool
) -> Float64Array:
    """The figure of each of 400 draws of images, given by their numbers."""
    draw = np.random.default_rng(9)
    classes = [np.flatnonzero(labels == label) for label in (1, 0)] if by_class else None
    found = []
    for _ in range(400):
        if classes is None:
            drawn = draw.integers(0, len(labels), len(labels))
        else:
            drawn = np.concatenate([draw.choice(each, len(each)) for each in classes])
        found.append(figure(drawn))
    return np.array(found)


def agree(ours: Float64Array, theirs: Float64Array) -> None:
    """Means and spreads within four standard errors of the fewer draws."""
    assert abs(ours.mean() - theirs.mean()) < 4.5 * theirs.std() / len(theirs) ** 0.5
    assert ours.std() == pytest.approx(theirs.std(), rel=4.5 / (2 * len(theirs)) ** 0.5)


def test_areas_are_drawn_like_images_of_each_class() -> None:
    labels, scores = images()
    drawn = draw_ranked(ranked(labels, scores))
    assert (drawn.malignant.sum(axis=1) == 30).all()
    assert ((drawn.above + drawn.level).sum(axis=1) <= 120).all()
    theirs = one_by_one(
        labels, lambda at: average_precision_score(labels[at], scores[at]), by_class=True
    )
    agree(average_precisions(drawn), theirs)
    theirs = one_by_one(
        labels,
        lambda at: float(partial_areas(ranked(labels[at], scores[at]), 0.8)[0]),
        by_class=True,
    )
    agree(partial_areas(drawn, 0.8), theirs)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_specificities_are_drawn_like_images_of_each_class(at: int) -> None:
    labels, scores = images()
    target = (0.8, 0.9, 0.95)[at]

    def best(drawn: np.ndarray) -> float:
        truth, each = labels[drawn], scores[drawn]
        malignant = np.sort(each[truth == 1])
        enough = [score for score in malignant if (malignant >= score).mean() >= target]
        return float((each[truth == 0] < max(enough)).mean())

    theirs = one_by_one(labels, best, by_class=True)
    agree(draw_specificities(labels, scores, (0.8, 0.9, 0.95))[at], theirs)


def f1(truth: LabelArray, scores: Float64Array) -> float:
    positive = scores >= 0.5
    return float(2 * (truth & positive).sum() / (truth.sum() + positive.sum()))


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("f1", f1),
        ("matthews", lambda truth, scores: np.corrcoef(truth, scores >= 0.5)[0, 1]),
        ("brier", lambda truth, scores: ((truth - scores) ** 2).mean()),
    ],
)
def test_ends_are_percentiles_of_images_drawn(
    name: str, figure: Callable[[LabelArray, Float64Array], float]
) -> None:
    labels, scores = images()
    found = getattr(of(labels, scores), name)
    theirs = one_by_one(labels, lambda at: figure(labels[at], scores[at]), by_class=False)
    # The ends of 400 draws are uncertain by about a ninth of the spread.
    assert (found.low, found.high) == pytest.approx(
        np.quantile(theirs, (0.025, 0.975)), abs=0.45 * theirs.std()
    )


def test_the_same_seed_gives_the_same_intervals_and_says_what_chance_leaves() -> None:
    labels, scores = images()
    first, again = of(labels, scores), of(labels, scores)
    assert first == again
    drawn = first.bootstrap
    assert drawn is not None
    assert (drawn.method, drawn.draws, drawn.seed) == ("percentile", DRAWS, 1)
    assert set(BOOTSTRAPPED) < set(drawn.monte_carlo_errors)
    for name in BOOTSTRAPPED:
        figure = getattr(first, name)
        assert figure.low < figure.value < figure.high
        error = drawn.monte_carlo_errors[name]
        assert 0 < error <= drawn.largest_share * (figure.high - figure.low) * (1 + 1e-9)
    assert drawn.largest_share < 0.1
    # The value itself is that without intervals.
    plain = measure(labels, scores, 0.5)
    assert [getattr(plain, name).value for name in BOOTSTRAPPED] == [
        getattr(first, name).value for name in BOOTSTRAPPED
    ]


def test_known_ends() -> None:
    """Of a fixed seed they are the same on every machine."""
    labels, scores = images()
    found = of(labels, scores)
    ends = {name: (getattr(found, name).low, getattr(found, name).high) for name in BOOTSTRAPPED}
    assert ends["f1"] == pytest.approx((0.380952381, 0.641975309))
    assert ends["brier"] == pytest.approx((0.160280000, 0.196788000))
    assert ends["average_precision"] == pytest.approx((0.403948199, 0.697295461))


def test_many_malignant_images_leave_areas_without_an_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, scores = images()
    monkeypatch.setattr(over_images, "MOST_MALIGNANT", 29)
    found = of(labels, scores)
    for figure in (found.average_precision, found.partial_auc):
        assert (figure.low, figure.reason) == (None, "no interval: over 29 malignant images")
    assert found.specificity_at_sensitivity[0].low is not None


def test_of_many_images_the_brier_scores_interval_is_that_of_a_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, scores = images()
    drawn = of(labels, scores).brier
    monkeypatch.setattr(over_images, "MOST_DRAWN", 149)
    normal = of(labels, scores).brier
    errors = (labels - scores) ** 2
    half = 1.959964 * errors.std() / 150**0.5
    assert (normal.low, normal.high) == pytest.approx((errors.mean() - half, errors.mean() + half))
    assert (drawn.low, drawn.high) == pytest.approx((normal.low, normal.high), abs=0.3 * half)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_figures_that_are_undefined_keep_their_reasons(threshold: float) -> None:
    labels, scores = images()
    found = of(labels, scores, threshold)
    undefined = found.net_benefit if threshold else found.interventions_avoided
    assert undefined.value is None
    assert undefined.reason
    # All are positive, or none: sensitivity and specificity are 0 and 1 in every draw.
    assert found.balanced_accuracy.reason == "no interval: the same in all draws"
    benign = of(np.zeros(5, np.int8), np.linspace(0, 1, 5))
    assert benign.f1.reason == "no malignant images"
    assert benign.average_precision.low is None
    nobody = np.zeros(0)
    assert of(nobody.astype(np.int8), nobody).bootstrap is None


def test_a_confidence_beyond_the_draws_has_no_interval() -> None:
    labels, scores = images()
    certain = measure(labels, scores, 0.5, confidence=0.9999)
    figure = add_intervals(certain, labels, scores, 0.5).f1
    assert (figure.low, figure.reason) == (None, "no interval: 2,000 draws are too few for it")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.3, 0.5, 1.0])), max_size=30),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_whatever_the_images_are_an_interval_is_whole_or_has_a_reason(
    some: list[tuple[int, float]], threshold: float
) -> None:
    labels = np.array([label for label, _ in some], np.int8)
    found = of(labels, np.array([score for _, score in some], np.float64), threshold)
    for figure in (
        *(getattr(found, name) for name in BOOTSTRAPPED),
        *found.specificity_at_sensitivity,
    ):
        if figure.low is None:
            assert figure.reason
        else:
            assert np.isfinite([figure.low, figure.high]).all()
            assert figure.low < figure.high


def test_recod_titans(shared: Path) -> None:
    labels, scores, _ = submitted(shared, "recod_titans")
    found = of(labels, scores)
    at = found.specificity_at_sensitivity[0]
    assert at.low is not None
    assert at.high is not None
    assert at.low < 0.7743 < at.high
    partial = found.partial_auc
    assert (partial.low or 0) < 0.1053175 < (partial.high or 0)
