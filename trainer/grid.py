"""A grid of images with a title above each, as a PNG file.

It uses `matplotlib.figure.Figure` instead of pyplot, which keeps its figures globally.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from base.console.foreign import shown
from report.thresholds.threshold_text import score_text

CLASSES = ("benign", "malignant")
# Blue and red that are equally dark on paper and that colour-blind people can tell apart. A wrong
# prediction also has a cross and a frame, which do not depend on colour.
BLUE, RED, BLACK, GREY = "#0072B2", "#B2182B", "#000000", "#595959"
CROSS = "✗"
LEGEND = (
    f"blue: correct; red, framed, {CROSS}: wrong, the true class in parentheses; black: no label"
)

# Pixels.
_CELL, _GAP, _TITLE, _MARGIN, _HEADING, _NOTE = 299, 28, 44, 44, 40, 27
_DPI = 100
_MIN_COLUMNS = 3  # the heading needs the width


class Title(NamedTuple):
    """The text above an image, and whether the image has a frame of the same colour."""

    text: str
    colour: str = BLACK
    framed: bool = False


class Cell(NamedTuple):
    """One image, float32 `[height, width, 3]` in [0, 1], and its title."""

    image: npt.NDArray[np.float32]
    title: Title


def class_title(label: int | None) -> Title:
    """The class of an image, as the tutorial's sample shows it."""
    return Title("no label" if label is None else CLASSES[label])


def prediction_title(label: int | None, score: float, threshold: float) -> Title:
    """The predicted class and the score; blue if correct, red if wrong, black without a label."""
    predicted = int(score >= threshold)
    text = f"{CLASSES[predicted]} {score_text(score, threshold)}"
    if label is None:
        return Title(text)
    if label == predicted:
        return Title(text, BLUE)
    return Title(f"{CROSS} {text} ({CLASSES[label]})", RED, framed=True)


def shortened(name: str, most: int = 44) -> str:
    """The end of a long name, which distinguishes it from others, on one line."""
    plain = shown(name)
    return plain if len(plain) <= most else "…" + plain[1 - most :]


def save_grid(path: Path, cells: Sequence[Cell], heading: str, notes: Sequence[str] = ()) -> None:
    """Write the cells as a PNG file, in a grid that is as square as possible.

    Args:
        path: is replaced if it exists.
        cells: at least one.
        heading: the first line.
        notes: smaller lines below it.
    """
    columns = max(math.ceil(math.sqrt(len(cells))), _MIN_COLUMNS)
    rows = math.ceil(len(cells) / columns)
    head = _MARGIN + _HEADING + len(notes) * _NOTE
    width = 2 * _MARGIN - _GAP + columns * (_CELL + _GAP)
    height = head + rows * (_TITLE + _CELL) + _MARGIN
    picture = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    _write_head(picture, heading, notes)
    # Fractions of the picture; the gaps are fractions of a cell.
    picture.subplots_adjust(
        left=_MARGIN / width, right=1 - _MARGIN / width, wspace=_GAP / _CELL,
        bottom=_MARGIN / height, top=1 - (head + _TITLE) / height, hspace=_TITLE / _CELL,
    )  # fmt: skip
    bare = {"xticks": [], "yticks": [], "frame_on": False}
    grid = picture.subplots(rows, columns, squeeze=False, subplot_kw=bare)
    for axes, cell in zip(grid.flat, cells, strict=False):  # the last row may stay short
        _draw_cell(axes, cell)
    with warnings.catch_warnings():
        # The font draws a missing letter as a box; the user cannot fix that, so no warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        picture.savefig(path, format="png")


def _write_head(picture: Figure, heading: str, notes: Sequence[str]) -> None:
    y = picture.bbox.height - _MARGIN
    lines = [(heading, 18, BLACK, _HEADING)] + [(note, 13, GREY, _NOTE) for note in notes]
    for text, size, colour, below in lines:
        # Without a transform, positions are pixels; a $ in a name does not start mathematics.
        picture.text(
            _MARGIN, y, text, size=size, color=colour, va="top", transform=None, parse_math=False
        )
        y -= below


def _draw_cell(axes: Axes, cell: Cell) -> None:
    # Pixel by pixel if the size fits, so that the image is shown as the network sees it.
    exact = cell.image.shape[:2] == (_CELL, _CELL)
    axes.imshow(cell.image, interpolation="none" if exact else "antialiased", aspect="auto")
    axes.set_title(cell.title.text, fontsize=14, color=cell.title.colour, loc="left", pad=6)
    axes.set_frame_on(cell.title.framed)
    axes.spines[:].set(color=cell.title.colour, linewidth=4)
