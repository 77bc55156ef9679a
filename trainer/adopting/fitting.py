"""Which other preprocessing or class would give the owner's predictions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

from base.arrays import Float32Array, Float64Array
from model.card import Decode, Resize
from trainer.adopting.checking import decoded
from trainer.adopting.predictions import Predictions
from trainer.adopting.ranges import LIBRARIES, RANGES
from trainer.adopting.request import SMOOTHED, Preprocessing
from trainer.adopting.wrapping import ACTIVATIONS

IntArray = npt.NDArray[np.int_]

# Images that every combination is tried on, and those that a promising one is tried on.
_FIRST, _MOST = 3, 16
# Differences that two ways of computing the same may have.
_NOISE = 2e-5
# More classes have too many sums of classes to try: single ones, and all but one, remain.
_FEW_CLASSES = 8
_RESIZES: tuple[Resize, ...] = get_args(Resize)
_FITS = ("stretch", "pad", "crop", "crop:0.875")
_TWO = ("benign", "malignant")


class Owned(NamedTuple):
    """The owner's network as it is tried out.

    `raw` gives its outputs `[n, outputs]` of images in the owner's range; `activations` are those
    that may follow. `classes` are empty for a single output without names.
    """

    raw: Callable[[Float32Array], Float32Array]
    size: tuple[int, int]
    preprocessing: Preprocessing
    activation: str
    activations: tuple[str, ...]
    classes: tuple[str, ...]
    positive: tuple[str, ...]


class Fit(NamedTuple):
    """A combination: how far it is from the predictions, and the options that differ."""

    largest: float
    changes: tuple[str, ...]


class _Tried(NamedTuple):
    """Predicted images under one decoding."""

    decoding: Preprocessing
    images: Float32Array
    values: Float64Array
    by_class: bool


def find_fits(owned: Owned, root: Path, predictions: Predictions, tolerance: float) -> list[Fit]:
    """The combinations with the fewest changes that agree with the predictions, best first.

    Only those that agree about as well as the best: of a smooth network a resize that is almost
    right is within the tolerance, too.
    """
    for decodings in _stages(owned.preprocessing):
        fits = [
            fit
            for decoding in decodings
            for fit in _agreeing(owned, root, predictions, decoding, tolerance)
        ]
        if fits:
            fits.sort(key=lambda fit: (len(fit.changes), fit.largest))
            changes, limit = len(fits[0].changes), max(10 * fits[0].largest, _NOISE)
            return [fit for fit in fits if len(fit.changes) == changes and fit.largest <= limit]
    return []


def _agreeing(
    owned: Owned, root: Path, predictions: Predictions, decoding: Preprocessing, tolerance: float
) -> Iterator[Fit]:
    """What agrees under one decoding: first on a few images, then on more of them."""
    count = len(predictions.paths)
    rows = np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(int))
    few = _tried(owned, root, predictions, rows[:: max(1, len(rows) // _FIRST)], decoding)
    ranges = [name for name in RANGES if _any_agrees(owned, name, few, tolerance)]
    many = _tried(owned, root, predictions, rows, decoding) if ranges else few
    for name in ranges:
        # What was said may agree on these images, but then not on all of them.
        fits = (fit for fit in _fits(owned, name, many) if fit.changes)
        yield from (fit for fit in fits if fit.largest <= tolerance)


def _any_agrees(owned: Owned, input_range: str, tried: "_Tried", tolerance: float) -> bool:
    return any(fit.largest <= tolerance for fit in _fits(owned, input_range, tried))


def decode_of(preprocessing: Preprocessing, size: tuple[int, int]) -> Decode:
    """The card's settings of this decoding."""
    other = preprocessing.library != "tensorflow"
    return Decode(
        height=size[0],
        width=size[1],
        resize=preprocessing.resize,
        antialias=preprocessing.smoothed,
        fit=preprocessing.fit,
        dct_method="INTEGER_ACCURATE" if other else "",
        rounded=other,
    )


def _stages(said: Preprocessing) -> Iterator[list[Preprocessing]]:
    """The decoding that was said, then other libraries and resizes, then every other fit."""
    yield [said]
    yield [replace(said, library=library) for library in LIBRARIES if library != said.library]
    tried = {decode_of(replace(said, library=library), (1, 1)) for library in LIBRARIES}
    resizes = [
        replace(said, library=library, resize=resize, antialias=antialias)
        for library, resize, antialias in product(LIBRARIES, _RESIZES, (False, True))
        if antialias <= (resize in SMOOTHED and library == "tensorflow")
    ]
    yield [other for other in resizes if decode_of(other, (1, 1)) not in tried]
    of_library = [other for other in resizes if other.library == said.library]
    yield [replace(other, fit=fit) for fit in _FITS if fit != said.fit for other in of_library]


def _tried(
    owned: Owned,
    root: Path,
    predictions: Predictions,
    rows: IntArray,
    decoding: Preprocessing,
) -> _Tried:
    paths = [predictions.paths[row] for row in rows]
    images = np.concatenate(list(decoded(root, paths, decode_of(decoding, owned.size))))
    return _Tried(decoding, images, predictions.values[rows], predictions.by_class)


def _fits(owned: Owned, input_range: str, tried: _Tried) -> Iterator[Fit]:
    """How far each activation and class is from the predictions, in this range."""
    raw = owned.raw(np.ascontiguousarray(RANGES[input_range].of(tried.images), np.float32))
    preprocessing = replace(tried.decoding, input_range=input_range)
    for activation in owned.activations:
        probabilities = np.asarray(ACTIVATIONS[activation](raw.astype(np.float64)))
        changes = (*_changes(owned.preprocessing, preprocessing),)
        if activation != owned.activation:
            changes += (f"--activation {activation}",)
        for largest, change in _by_column(owned, probabilities, tried):
            yield Fit(largest, (*changes, *change))


def _changes(said: Preprocessing, other: Preprocessing) -> Iterator[str]:
    """The options that make the other preprocessing of what was said."""
    if other.input_range != said.input_range:
        yield f"--input-range {other.input_range}"
    if other.library != said.library:
        yield f"--library {other.library}"
    if other.resize != said.resize:
        yield f"--resize {other.resize}"
    if other.antialias != said.antialias:
        yield "--antialias" if other.antialias else "no --antialias"
    if other.fit != said.fit:
        yield f"--fit {other.fit}"


def _by_column(
    owned: Owned, probabilities: Float64Array, tried: _Tried
) -> Iterator[tuple[float, tuple[str, ...]]]:
    """The distance of each choice of classes, and the options that name it."""
    if probabilities.shape[1] == 1:
        probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
    named = len(owned.classes) == probabilities.shape[1]
    classes = owned.classes if named else _TWO
    positive = owned.positive if named else _TWO[1:]
    if tried.by_class:
        yield _in_order(classes, probabilities, tried.values)
        return
    for chosen in _choices(classes):
        score = probabilities[:, [classes.index(name) for name in chosen]].sum(axis=1)
        change = f"--positive {','.join(chosen)}"
        if not named:
            change = "--classes malignant,benign --positive malignant"
        yield _distance(score, tried.values), () if {*chosen} == {*positive} else (change,)


def _choices(classes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sets of classes, but for all and none of them."""
    count = len(classes)
    few = count <= _FEW_CLASSES
    for size in range(1, count) if few else (1, count - 1):
        yield from combinations(classes, size)


def _in_order(
    classes: tuple[str, ...], probabilities: Float64Array, values: Float64Array
) -> tuple[float, tuple[str, ...]]:
    """The order of the classes in which the outputs are nearest to the columns."""
    apart = np.abs(probabilities[:, :, None] - values[:, None, :]).max(axis=0)
    outputs, columns = linear_sum_assignment(np.nan_to_num(apart, nan=np.inf, posinf=1e9))
    order = tuple(classes[column] for column in columns)
    largest = float(apart[outputs, columns].max())
    return largest, () if order == classes else (f"--classes {','.join(order)}",)


def _distance(ours: Float64Array, owners: Float64Array) -> float:
    return float(np.nan_to_num(np.abs(ours - owners), nan=np.inf).max())
