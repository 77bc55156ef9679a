"""What is embedded in the page: counts, lines, and their size. No browser is needed."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_views import html_of, many
from processes import PROJECT

from base.arrays import Float64Array, LabelArray
from report.html import curves
from report.html.threshold_counts import MOST_DISTINCT, ThresholdCounts, count_by_threshold
from report.metrics.confusion import confusion

# Few values, so that ties are common.
IMAGES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), max_size=40)


def columns(images: list[tuple[int, int]]) -> tuple[LabelArray, Float64Array]:
    labels = np.array([label for label, _ in images], dtype=np.int8)
    return labels, np.array([score / 12 for _, score in images], dtype=np.float64)


def counted(embedded: ThresholdCounts, threshold: float) -> tuple[int, int]:
    """True and false positives as the page's script counts them."""
    at = embedded.thresholds >= threshold
    return int(embedded.malignant[at].sum()), int(embedded.benign[at].sum())


@given(IMAGES, st.floats(0, 1))
def test_counts_are_exact_at_any_threshold(images: list[tuple[int, int]], other: float) -> None:
    labels, scores = columns(images)
    embedded = count_by_threshold(labels, scores, 0.5)
    assert embedded.complete
    for threshold in (0.0, 1.0, other, *scores.tolist()):
        table = confusion(labels, scores, threshold)
        assert counted(embedded, threshold) == (table.tp, table.fp)


def test_of_many_scores_counts_are_exact_at_each_threshold_kept() -> None:
    labels, scores = many(50_000)
    embedded = count_by_threshold(labels, scores, 0.1234567)
    assert not embedded.complete
    assert 2000 < len(embedded.thresholds) < MOST_DISTINCT
    assert set(np.arange(1001) / 1000) | {0.1234567} <= set(embedded.thresholds.tolist())
    for threshold in embedded.thresholds[::37].tolist():
        table = confusion(labels, scores, threshold)
        assert counted(embedded, threshold) == (table.tp, table.fp)


def test_as_many_distinct_scores_as_may_be_are_all_kept() -> None:
    scores = np.linspace(0, 1, MOST_DISTINCT)
    assert count_by_threshold(np.ones(MOST_DISTINCT, np.int8), scores, 0.5).complete
    scores = np.linspace(0, 1, MOST_DISTINCT + 1)
    assert not count_by_threshold(np.ones(MOST_DISTINCT + 1, np.int8), scores, 0.5).complete


def points(path: str) -> npt.NDArray[np.float64]:
    return np.array([pair.split(",") for pair in path.split()], dtype=np.float64)


def distance(line: npt.NDArray[np.float64], x: float, y: float) -> float:
    """From a point to a line, in SVG units."""
    starts, steps_ = line[:-1], np.diff(line, axis=0)
    lengths = np.maximum((steps_**2).sum(axis=1), 1e-12)
    along = np.clip((((x, y) - starts) * steps_).sum(axis=1) / lengths, 0, 1)
    nearest = starts + along[:, None] * steps_
    return float(np.hypot(*(nearest - (x, y)).T).min())


def operating_points(
    labels: LabelArray, scores: Float64Array
) -> Iterator[tuple[float, float, float | None]]:
    """Sensitivity, 1 - specificity and PPV at each score."""
    for threshold in np.unique(scores).tolist():
        table = confusion(labels, scores, threshold)
        yield table.tp / table.malignant, table.fp / table.benign, table.tp / table.positive


@given(IMAGES)
def test_every_operating_point_lies_on_the_curves(images: list[tuple[int, int]]) -> None:
    labels, scores = columns([*images, (0, 3), (1, 9)])
    embedded = count_by_threshold(labels, scores, 0.5)
    roc, precision = points(curves.roc(embedded)), points(curves.precision_recall(embedded))
    axis = curves.y_axis()
    for sensitivity, false_positives, ppv in operating_points(labels, scores):
        y = curves.svg_y(sensitivity, axis)
        assert distance(roc, curves.svg_x(false_positives), y) < 0.15
        x = curves.svg_x(sensitivity)
        assert distance(precision, x, curves.svg_y(ppv or 0, axis)) < 0.15
    assert roc[[0, -1]].tolist() == [[56, 344], [386, 14]]


def test_lines_lose_no_corner() -> None:
    axis = curves.y_axis()
    x = np.array([0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0])
    y = np.array([0.0, 0.5, 1.0, 0.5, 0.5, 0.5, 0.5])
    assert curves.path(x, y, axis) == "56,344 56,14 56,179 386,179"


def test_score_shares_of_each_class() -> None:
    drawn = curves.histogram(np.array([0, 0, 1], np.int8), np.array([0.0, 0.01, 1.0]))
    # All benign images are in the first bin of 1/40, the malignant one in the last.
    assert drawn.benign == "56,344 56,14 64.2,14 64.2,344 386,344"
    assert drawn.malignant == "56,344 377.8,344 377.8,14 386,14 386,344"
    assert curves.histogram(np.zeros(1, np.int8), np.zeros(1)).malignant is None


def test_curves_without_an_interval_are_drawn() -> None:
    assert "Not drawn" not in html_of(*many(12_000))


@pytest.mark.parametrize(
    ("images", "most"), [(80, 65_000), (600, 90_000), (4000, 250_000), (100_000, 250_000)]
)
def test_the_page_stays_small(images: int, most: int) -> None:
    assert len(html_of(*many(images)).encode()) < most


def test_templates_are_in_the_wheel(tmp_path: Path) -> None:
    build_wheel = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build_wheel, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    templates = {
        f"report/html/templates/{path.name}" for path in PROJECT.glob("report/html/templates/*")
    }
    assert len(templates) == 5
    with zipfile.ZipFile(wheel) as packed:
        assert templates <= set(packed.namelist())
