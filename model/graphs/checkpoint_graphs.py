"""The graphs of a checkpoint in the store: its head, and its backbone, which others may share."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from model.card import Decode, ModelCard
from model.graphs.graph_file import GraphKey, KeptGraph, KeptGraphs
from model.graphs.graph_store import GraphStore

# What takes part in making a graph. Each release makes its own.
_MAKERS = ("dermscore", "keras", "tensorflow")
_BACKBONE, _HEAD = "backbone", "head"


class KeptNetwork(NamedTuple):
    """The graphs of a checkpoint: `digest` is its backbone's, if others may share that.

    Then the shelf has the backbone apart. A network without a recognisable backbone has no `head`.
    """

    digest: str | None
    backbone: KeptGraph | None
    head: KeptGraph | None


class GraphShelf:
    """Finds and keeps the graphs of checkpoints; a backbone that several share is kept once."""

    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._versions = {name: _version_of(name) for name in _MAKERS}

    def find(self, card: ModelCard) -> KeptNetwork | None:
        """What was kept of the checkpoint with this card and the digest in it.

        It passed every check that a checkpoint must pass, with this very card.
        """
        found = self._store.get(self._of_checkpoint(card))
        if found is None:
            return None
        return KeptNetwork(found.shares, found.graphs.get(_BACKBONE), found.graphs.get(_HEAD))

    def backbone(self, digest: str, decode: Decode) -> KeptGraph | None:
        """The backbone of this digest; it may have been removed because it was the oldest."""
        found = self._store.get(self._of_backbone(digest, decode))
        return None if found is None else found.graphs.get(_BACKBONE)

    def keep(self, card: ModelCard, network: KeptNetwork) -> None:
        """Keep the graphs of a checkpoint that has passed every check."""
        parts = {_BACKBONE: network.backbone, _HEAD: network.head}
        own = {name: graph for name, graph in parts.items() if graph is not None}
        if network.digest is not None:
            backbone = self._of_backbone(network.digest, card.decode)
            shared = {name: own.pop(name) for name in (_BACKBONE,) if name in own}
            if shared and not self._store.has(backbone):
                self._store.keep(backbone, KeptGraphs(shared))
        self._store.keep(self._of_checkpoint(card), KeptGraphs(own, network.digest))

    def discard(self, card: ModelCard, network: KeptNetwork, why: str) -> None:
        """Tell why what was kept of this checkpoint cannot be used, and remove all of it."""
        if network.digest is not None:
            self._store.remove(self._of_backbone(network.digest, card.decode))
        self._store.discard(self._of_checkpoint(card), why)

    def _of_checkpoint(self, card: ModelCard) -> GraphKey:
        said = hashlib.sha256(card.model_dump_json().encode()).hexdigest()
        return self._key(card.digest, card.decode, said)

    def _of_backbone(self, digest: str, decode: Decode) -> GraphKey:
        return self._key(digest, decode, None)

    def _key(self, digest: str, decode: Decode, card: str | None) -> GraphKey:
        given = (decode.height, decode.width, 3)
        return GraphKey(digest=digest, card=card, given=given, versions=self._versions)


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # it runs from its sources
        return "none"
