"""The flow of images as a diagram in the style of STARD 2015 (its figure 1). Pure.

Says where boxes and arrows lie, in units of which a letter is about six wide. A picture and the
page draw them as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from base.console.foreign import shown
from db.queries.report.imports import NO_SCORE
from report.left_out.worst_case import class_words
from report.report_model import Flow, Report
from report.thresholds.threshold_text import threshold_text

LINE, PAD, GAP = 16, 10, 28  # height of a line, room inside a box, length of an arrow
WIDTH = 640
_MAIN, _SIDE, _LEAF = (1, 306), (333, 306), 146  # left edge and width
_MOST_REASONS = 6


Point = tuple[float, float]
Lines = tuple[str, ...]


class Box(NamedTuple):
    """Lines of text in a frame; the first line is the heading."""

    x: float
    width: float
    y: float
    lines: Lines

    @property
    def height(self) -> float:
        """Of all lines with the room around them."""
        return len(self.lines) * LINE + 2 * PAD

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Half-way across."""
        return self.x + self.width / 2


class Arrow(NamedTuple):
    """The corners of a line whose last one has the head."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """Boxes and arrows in `WIDTH` x `height` units; y grows downwards."""

    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    @property
    def words(self) -> str:
        """All boxes as one sentence, for those who hear the page."""
        return "; ".join(" ".join(line.strip() for line in box.lines) for box in self.boxes)


def flow_diagram(report: Report) -> Diagram:
    """Listed, scored, analysed, then malignant and benign images by their answers."""
    boxes, arrows, y = list[Box](), list[Arrow](), 0.0
    above: Box | None = None
    for words, left_out in _stages(report):
        box = Box(*_MAIN, y, words)
        boxes.append(box)
        if above is not None:
            arrows.append(_arrow((above.middle, above.bottom), (box.middle, box.y)))
        above, y = box, box.bottom + GAP
        if left_out:
            side = Box(*_SIDE, box.bottom + GAP / 2, left_out)
            level = side.y + side.height / 2
            boxes.append(side)
            arrows.append(_arrow((box.middle, level), (side.x, level)))
            y = side.bottom + GAP / 2
    if not report.flow.analysed:
        return Diagram(boxes[-1].bottom, tuple(boxes), tuple(arrows))
    return _with_answers(report, boxes, arrows, y)


def _stages(report: Report) -> Iterator[tuple[Lines, Lines]]:
    """What reaches each stage, and what is left out between it and the next."""
    flow = report.flow
    yield (f"{flow.listed:,} images listed",), _unscored(flow) if flow.unscored else ()
    unlabelled = flow.scored - flow.copies_left_out - flow.analysed
    reasons = ((unlabelled, "without a label"), (flow.copies_left_out, "copies of other images"))
    left_out = tuple(f"{count:,} {why}" for count, why in reasons if count)
    heading = (f"{flow.scored - flow.analysed:,} left out",) if left_out else ()
    yield (f"{flow.scored:,} scored",), (*heading, *left_out)
    positive = f"positive: score >= {threshold_text(report.threshold.value)}"
    if (units := report.units) is not None:
        positive = f"as {units.units:,} of {shown(units.column)}; {positive}"
    yield (f"{flow.analysed:,} analysed", positive), ()


def _unscored(flow: Flow) -> Lines:
    reasons = [
        f"{count:,} {'no score given' if code == NO_SCORE else code}"
        for code, count in flow.errors.items()
    ]
    if (others := len(reasons) - _MOST_REASONS) > 0:
        rest = sum(list(flow.errors.values())[_MOST_REASONS:])
        reasons[_MOST_REASONS:] = [f"{rest:,} with {others} other errors"]
    classes = class_words(flow.by_class, *flow.errors)
    return f"{flow.unscored:,} without a score", classes, *reasons


def _with_answers(report: Report, boxes: list[Box], arrows: list[Arrow], y: float) -> Diagram:
    """Add what the analysed images are, and which answers they got."""
    table, above, bottom = report.figures.confusion, boxes[-1], y
    classes = (
        ("malignant", table.malignant, ("TP", table.tp), ("FN", table.fn)),
        ("benign", table.benign, ("FP", table.fp), ("TN", table.tn)),
    )
    for left, (name, count, *answers) in zip((_MAIN[0], _SIDE[0]), classes, strict=True):
        box = Box(left, _MAIN[1], y, (f"{count:,} {name}",))
        boxes.append(box)
        arrows.append(_bent((above.middle, above.bottom), (box.middle, box.y)))
        for offset, answer, (cell, images) in zip(
            (0, _MAIN[1] - _LEAF), ("positive", "negative"), answers, strict=True
        ):
            leaf = Box(left + offset, _LEAF, box.bottom + GAP, (f"{images:,} {answer}", cell))
            boxes.append(leaf)
            arrows.append(_bent((box.middle, box.bottom), (leaf.middle, leaf.y)))
            bottom = leaf.bottom
    return Diagram(bottom, tuple(boxes), tuple(arrows))


def _arrow(*points: Point) -> Arrow:
    return Arrow(points)


def _bent(start: Point, end: Point) -> Arrow:
    """Down half-way, across, and down."""
    level = (start[1] + end[1]) / 2
    return Arrow((start, (start[0], level), (end[0], level), end))
