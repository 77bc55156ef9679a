"""The page's curves as points of an SVG of 400 x 400 units, ready for the template."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from base.arrays import NO_SCORES, Float64Array, Int64Array, LabelArray
from report.html.threshold_counts import ThresholdCounts
from report.render.numbers import decimal

# The plotting area within the 400 x 400 units; the rest holds ticks and names.
LEFT, TOP, SIDE = 56.0, 14.0, 330.0
BINS = 40

Path = str  # "x,y x,y ...", as an SVG polyline takes it


class Tick(NamedTuple):
    """A mark on an axis: its position in SVG units, and its text."""

    position: float
    words: str


class Axis(NamedTuple):
    """An axis from `low` to `high`; `ticks` in ascending order."""

    low: float
    high: float
    ticks: tuple[Tick, ...]


class Histogram(NamedTuple):
    """The share of each class in bins of the score; None for a class without images."""

    malignant: Path | None
    benign: Path | None
    unlabelled: Path | None
    y: Axis


def x_axis() -> Axis:
    """0 to 1, left to right."""
    ticks = tuple(Tick(svg_x(value), f"{value:.1f}") for value in _fifths(1.0))
    return Axis(0.0, 1.0, ticks)


def y_axis(high: float = 1.0, low: float = 0.0) -> Axis:
    """`low` to `high`, bottom to top, with ticks at each fifth of `high`."""
    digits = 1 if high == 1 else 2
    bare = Axis(low, high, ())
    values = [*(-value for value in _fifths(high) if 0 < value <= -low), *_fifths(high)]
    words = (decimal(value, digits) for value in sorted(values))
    ticks = tuple(
        Tick(svg_y(value, bare), said) for value, said in zip(sorted(values), words, strict=True)
    )
    return bare._replace(ticks=ticks)


def svg_x(value: float) -> float:
    """SVG units of a value from 0 to 1."""
    return LEFT + SIDE * value


def svg_y(value: float, axis: Axis) -> float:
    """SVG units of a value on an axis."""
    return TOP + SIDE * (axis.high - value) / (axis.high - axis.low)


def roc(counts: ThresholdCounts) -> Path:
    """1 - specificity against sensitivity, from (0, 0) to (1, 1); needs both classes."""
    true, false = _descending(counts)
    return path(np.append(0, false) / false[-1], np.append(0, true) / true[-1], y_axis())


def precision_recall(counts: ThresholdCounts) -> Path:
    """Sensitivity against PPV in steps, so that the area below is the average precision.

    If false positives lower the PPV at the same sensitivity, the line goes down to the lowest PPV,
    so every operating point lies on the line. Needs at least one malignant image.
    """
    true, false = _descending(counts)
    ppv = true / np.maximum(true + false, 1)
    rises = np.flatnonzero(np.diff(true, prepend=0))
    lowest = np.append(rises[1:] - 1, len(true) - 1)  # the last threshold before the next rise
    sensitivity = true[rises] / true[-1]
    x = np.column_stack([np.append(0, sensitivity[:-1]), sensitivity, sensitivity]).ravel()
    y = np.column_stack([ppv[rises], ppv[rises], ppv[lowest]]).ravel()
    if rises[0]:  # the highest scores are benign
        x, y = np.append(0, x), np.append(0, y)
    return path(x, y, y_axis())


def histogram(
    labels: LabelArray, scores: Float64Array, unlabelled: Float64Array = NO_SCORES
) -> Histogram:
    """Outlines of the score histograms in bins of 1/40, as shares of each group.

    The groups are both classes, and the images without a label.
    """
    shares = [_shares(some) for some in (scores[labels == 0], scores[labels == 1], unlabelled)]
    highest = max((float(share.max()) for share in shares if share is not None), default=1.0)
    y = y_axis(round_up(highest))
    benign, malignant, without = (None if share is None else _outline(share, y) for share in shares)
    return Histogram(malignant, benign, without, y)


def path(x: Float64Array, y: Float64Array, axis: Axis) -> Path:
    """A line through these values, rounded to a tenth of a unit, without redundant points."""
    heights = TOP + SIDE * (axis.high - y) / (axis.high - axis.low)
    corners = np.column_stack([LEFT + SIDE * x, heights])
    kept = _corners((corners * 10).round().astype(np.int64))
    return " ".join(f"{a / 10:g},{b / 10:g}" for a, b in kept.tolist())


def _corners(points: Int64Array) -> Int64Array:
    """Without repeated points and points inside a horizontal or vertical segment."""
    moved = np.append(True, (np.diff(points, axis=0) != 0).any(axis=1))
    points = points[moved]
    if len(points) < 3:
        return points
    direction = np.sign(np.diff(points, axis=0))
    straight = (direction == 0).any(axis=1)[:-1] & (direction[:-1] == direction[1:]).all(axis=1)
    kept: Int64Array = points[np.concatenate([[True], ~straight, [True]])]
    return kept


def _descending(counts: ThresholdCounts) -> tuple[Int64Array, Int64Array]:
    true, false = counts.positives()
    return true[::-1], false[::-1]


def _shares(scores: Float64Array) -> Float64Array | None:
    if not len(scores):
        return None
    return np.histogram(scores, bins=BINS, range=(0, 1))[0] / len(scores)


def _outline(shares: Float64Array, axis: Axis) -> Path:
    edges = np.repeat(np.arange(BINS + 1) / BINS, 2)
    heights = np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
    return path(edges, heights, axis)


def round_up(value: float) -> float:
    """The smallest of 0.05, 0.1, 0.2, 0.5 and 1 that is at least `value`."""
    return next(high for high in (0.05, 0.1, 0.2, 0.5, 1.0) if value <= high)


def _fifths(high: float) -> Iterator[float]:
    return (high * fifth / 5 for fifth in range(6))
