"""A loaded checkpoint: its backbone, which others may share, and its own head."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float32Array
from base.console.foreign import shown
from base.runtime import tf
from model.backbones import Parts, split
from model.card import Decode
from model.checkpoint import load_held
from model.errors import CheckpointError
from model.features.feature_cache import FeatureKey
from model.held_checkpoint import HeldCheckpoint
from worker.scoring.batch_scores import is_outside
from worker.scoring.frozen import FrozenGraph
from worker.scoring.openvino_graph import OpenvinoGraph, is_quantised

# A matrix product of few columns sums the rows that do not fill a vector register in another order,
# so that the last bits of a score would depend on how many images are in the batch.
HEAD_ROWS = 64
# How far rounding takes a sum of probabilities past 1. In half precision a softmax sums to 0.997 to
# 1.003; probabilities that do not exclude one another sum to more for most images.
_SUM_ROUNDING = {"float32": 1e-5}
_HALF_ROUNDING = 1e-2


class Backbone(NamedTuple):
    """A network up to its features, frozen once for all checkpoints that share it.

    Without a `key` its features belong to one checkpoint only. The `layers` are kept so that the
    next checkpoint with the same module need not load it again.
    """

    graph: FrozenGraph | OpenvinoGraph
    key: FeatureKey | None
    layers: Sequence[Any]


class Backbones:
    """The frozen backbones of this process."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, Decode, str], Backbone] = {}

    def of(self, parts: Parts, decode: Decode, precision: str) -> Backbone:
        """The frozen backbone of a network; made if no other checkpoint has brought it already."""
        if parts.digest is None:
            return _freeze(parts, decode, precision)
        key = (parts.digest, decode, precision)
        if key not in self._shared:
            self._shared[key] = _freeze(parts, decode, precision)
        return self._shared[key]


class LoadedModel:
    """A checkpoint frozen for serving in one precision."""

    def __init__(self, held: HeldCheckpoint, precision: str, backbones: Backbones) -> None:
        """Load, freeze and warm up; `held` can be closed afterwards.

        Raises:
            CheckpointError: the file cannot be used, this machine has no such precision, or it does
                not give scores in [0, 1].
        """
        network = load_held(held)
        self.card = held.card
        self.path = held.path
        self.precision = precision
        parts = split(network, self.card.backbone)
        try:
            self.backbone = backbones.of(parts, self.card.decode, precision)
            # Always in float32: compared with the backbone it costs nothing.
            self._head = FrozenGraph(parts.head, self.backbone.graph.shape) if parts.head else None
            self._check_classes()
            self._check()
        except tf.errors.OpError as error:
            # A CheckpointError, so that the other runs of its group are still scored.
            reason = " ".join(str(error.message).split())[:400]
            raise CheckpointError(f"{self.path} cannot be run: {reason}") from error

    def score(self, features: Float32Array) -> npt.NDArray[np.float64]:
        """Scores `[n]` in [0, 1] of the backbone's features `[n, ...]`, in the same order."""
        scores = features if self._head is None else self._head(_filled_up(features))
        found = scores[: len(features), 0].astype(np.float64)
        if self.card.classes:
            margin = _SUM_ROUNDING.get(self.precision, _HALF_ROUNDING)
            found[(found > 1) & (found <= 1 + margin)] = 1
        return found

    def score_images(self, images: Float32Array) -> npt.NDArray[np.float64]:
        """Scores `[n]` of images `[n, height, width, 3]` in [0, 1], in the same order."""
        return self.score(self.backbone.graph(images))

    def _check_classes(self) -> None:
        """Refuse classes that are not the features, or whose sum is not the score."""
        classes, positive = self.card.classes, self.card.positive
        if not classes:
            return
        given = self.backbone.graph.shape
        if given != (len(classes),):
            raise CheckpointError(
                f"{self.path} has {len(classes)} classes by its card, and {given} probabilities "
                "before its last layer"
            )
        each = self.score(np.eye(len(classes), dtype=np.float32)).tolist()
        if each != [float(name in positive) for name in classes]:
            raise CheckpointError(
                f"{self.path}: its score is not the sum of {', '.join(map(shown, positive))}, the "
                "positive classes of its card"
            )

    def _check(self) -> None:
        """Score one grey and one black image: the first call is slow, and may reveal a fault."""
        shape = (2, self.card.decode.height, self.card.decode.width, 3)
        images = np.full(shape, 0.5, np.float32)
        images[1] = 0
        features = self.backbone.graph(images)
        scores = self.score(features).tolist()
        if self.card.classes:
            scores += features.ravel().tolist()
        if any(is_outside(score) or math.isnan(score) for score in scores):
            raise CheckpointError(f"{self.path} gives {scores}, which are not scores in [0, 1]")


def _filled_up(rows: Float32Array) -> Float32Array:
    """The rows, filled up with zeros to the next multiple of HEAD_ROWS."""
    added = np.zeros((-len(rows) % HEAD_ROWS, *rows.shape[1:]), np.float32)
    return np.concatenate([rows, added]) if len(added) else rows


def _freeze(parts: Parts, decode: Decode, precision: str) -> Backbone:
    shape = (decode.height, decode.width, 3)
    graph: FrozenGraph | OpenvinoGraph
    if is_quantised(parts.backbone):
        graph = OpenvinoGraph(parts.backbone[0], shape, precision)
    else:
        graph = FrozenGraph(parts.backbone, shape, precision)
    if parts.digest is None or None in graph.shape:
        return Backbone(graph, None, parts.backbone)
    # float32 has no variant, like the features of the trainer.
    variant = "" if precision == "float32" else precision
    key = FeatureKey(backbone=parts.digest, decode=decode, shape=graph.shape, variant=variant)
    return Backbone(graph, key, parts.backbone)
