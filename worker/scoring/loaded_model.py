"""A loaded checkpoint: its backbone, which others may share, and its own head."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from base.arrays import Float32Array
from base.console.foreign import shown
from base.runtime import tf
from imaging.decoding.memory import give_back_memory
from model.card import Decode
from model.checkpoint_requirements import refuse_unloadable
from model.errors import CheckpointError
from model.features.feature_cache import FeatureKey
from model.graphs.checkpoint_graphs import GraphShelf, KeptNetwork
from model.graphs.graph_file import MissingGraphsError, UnusableGraphsError
from model.held_checkpoint import HeldCheckpoint
from model.quantised.stored_network import stored_network
from worker.scoring.batch_scores import is_outside
from worker.scoring.graphs.frozen import FrozenGraph, ThawedGraph
from worker.scoring.graphs.openvino_graph import OpenvinoGraph

if TYPE_CHECKING:  # Keras takes seconds, and kept graphs do without it
    from model.backbones import Parts

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

    def of(self, parts: "Parts", decode: Decode, precision: str) -> Backbone:
        """The frozen backbone of a network; made if no other checkpoint has brought it already."""
        return self._made(
            parts.digest, decode, precision, lambda: _freeze(parts, decode, precision)
        )

    def of_kept(
        self, network: KeptNetwork, shelf: GraphShelf, held: HeldCheckpoint, precision: str
    ) -> Backbone:
        """The same of a network whose graphs were kept.

        Raises:
            CheckpointError: this machine does not compute it.
            MissingGraphsError: the backbone is not kept any more.
            UnusableGraphsError: it cannot be used.
        """
        decode = held.card.decode

        def thaw() -> Backbone:
            graph: FrozenGraph | OpenvinoGraph
            if held.card.quantised is None:
                graph = _thaw(network, shelf, decode, precision)
            else:
                graph = _stored(network, held, precision)
            return _named(graph, network.digest, (), decode, precision)

        return self._made(network.digest, decode, precision, thaw)

    def _made(
        self, digest: str | None, decode: Decode, precision: str, make: Callable[[], Backbone]
    ) -> Backbone:
        if digest is None:
            return make()
        key = (digest, decode, precision)
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


class LoadedModel:
    """A checkpoint frozen for serving in one precision."""

    def __init__(
        self,
        held: HeldCheckpoint,
        precision: str,
        backbones: Backbones,
        shelf: GraphShelf | None = None,
    ) -> None:
        """Load, freeze and warm up; `held` can be closed afterwards.

        With a `shelf` its graphs are taken from there if they were kept, and kept there otherwise.

        Raises:
            CheckpointError: the file cannot be used, this machine has no such precision, or it does
                not give scores in [0, 1].
        """
        self.card = held.card
        self.path = held.path
        self.precision = precision
        try:
            if shelf is None or not self._thawed(held, backbones, shelf):
                digest = self._frozen(held, backbones)
                self._check_all()
                if shelf is not None:
                    self._keep(shelf, digest)
            else:
                self._check_all()
            give_back_memory()
        except tf.errors.OpError as error:
            # A CheckpointError, so that the other runs of its group are still scored.
            reason = " ".join(str(error.message).split())[:400]
            raise CheckpointError(f"{self.path} cannot be run: {reason}") from error

    def _frozen(self, held: HeldCheckpoint, backbones: Backbones) -> str | None:
        """Load the network with Keras, and freeze it; returns the digest of its backbone."""
        # Deferred: Keras takes seconds, and kept graphs do without it.
        from model.backbones import split
        from model.checkpoint import load_held

        parts = split(load_held(held), self.card.backbone)
        self.backbone = backbones.of(parts, self.card.decode, self.precision)
        # Always in float32: compared with the backbone it costs nothing.
        self._head = FrozenGraph(parts.head, self.backbone.graph.shape) if parts.head else None
        return parts.digest

    def _thawed(self, held: HeldCheckpoint, backbones: Backbones, shelf: GraphShelf) -> bool:
        """Take the graphs that were kept of this checkpoint; False if none can be used."""
        network = shelf.find(self.card)
        if network is None:
            return False
        refuse_unloadable(held.file, self.path, self.card)
        try:
            self.backbone = backbones.of_kept(network, shelf, held, self.precision)
            self._head = None if network.head is None else ThawedGraph(network.head)
        except MissingGraphsError:
            return False
        except UnusableGraphsError as error:
            shelf.discard(self.card, network, str(error))
            return False
        return True

    def _keep(self, shelf: GraphShelf, digest: str | None) -> None:
        """Keep the graphs, now that they have passed every check."""
        graph = self.backbone.graph
        backbone = graph.kept() if isinstance(graph, FrozenGraph) else None
        head = None if self._head is None else self._head.kept()
        # A quantised backbone is taken from the checkpoint, if the digest tells which it is.
        is_whole = backbone is not None or (isinstance(graph, OpenvinoGraph) and digest is not None)
        if is_whole and (self._head is None) == (head is None):
            shelf.keep(self.card, KeptNetwork(digest, backbone, head))

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

    def _check_all(self) -> None:
        self._check_classes()
        self._check()

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


def _freeze(parts: "Parts", decode: Decode, precision: str) -> Backbone:
    # Deferred: it knows the layer of Keras, which kept graphs do without.
    from model.quantised.quantised_backbone import is_quantised

    shape = (decode.height, decode.width, 3)
    graph: FrozenGraph | OpenvinoGraph
    if is_quantised(parts.backbone):
        graph = OpenvinoGraph(parts.backbone[0].network, shape, precision)
    else:
        graph = FrozenGraph(parts.backbone, shape, precision)
    return _named(graph, parts.digest, parts.backbone, decode, precision)


def _thaw(network: KeptNetwork, shelf: GraphShelf, decode: Decode, precision: str) -> ThawedGraph:
    kept = network.backbone
    if network.digest is not None:
        kept = shelf.backbone(network.digest, decode)
    if kept is None:
        raise MissingGraphsError
    return ThawedGraph(kept, precision)


def _stored(network: KeptNetwork, held: HeldCheckpoint, precision: str) -> OpenvinoGraph:
    """A quantised backbone as it lies in the checkpoint: only the head was kept."""
    decode, head = held.card.decode, network.head
    found = None
    if network.digest is not None and head is not None and None not in head.given:
        shape = tuple(side for side in head.given if side is not None)
        found = stored_network(held.file, network.digest, shape)
    if found is None:
        raise MissingGraphsError
    return OpenvinoGraph(found, (decode.height, decode.width, 3), precision)


def _named(
    graph: FrozenGraph | OpenvinoGraph,
    digest: str | None,
    layers: Sequence[Any],
    decode: Decode,
    precision: str,
) -> Backbone:
    """The backbone with the key of its features, if others may share them."""
    if digest is None or None in graph.shape:
        return Backbone(graph, None, layers)
    # float32 has no variant, like the features of the trainer.
    variant = "" if precision == "float32" else precision
    key = FeatureKey(backbone=digest, decode=decode, shape=graph.shape, variant=variant)
    return Backbone(graph, key, layers)
