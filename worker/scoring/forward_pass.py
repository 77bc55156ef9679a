"""One pass over a batch: read, decode, backbone, heads."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from base.arrays import Float32Array
from db.queries.outcomes import Seconds
from imaging.data_root import Root
from imaging.decoding.decoder import DecodedBatch, Decoder
from worker.scoring.batch_scores import KnownDigests, RunScores
from worker.scoring.features import KeptRows
from worker.scoring.loaded_model import Backbone, LoadedModel

_GONE = "the file is gone: scored from the features that were kept of it"


class Computed(NamedTuple):
    """By position: scores, and where the checkpoint has classes their probabilities."""

    scores: dict[int, float]
    probabilities: dict[int, Float32Array]


class ForwardPass:
    """A pass for all checkpoints with the same decode settings; call `decode` before `compute`."""

    def __init__(self, root: Root, paths: Sequence[str], kept: KeptRows) -> None:
        self._root, self._paths, self._kept = root, paths, kept
        self._gone: dict[int, str] = {}
        self._compute_seconds = 0.0
        self._batch: DecodedBatch

    @property
    def seconds(self) -> Seconds:
        """Where the time went."""
        return Seconds(self._batch.read_seconds, self._batch.decode_seconds, self._compute_seconds)

    def decode(self, decoder: Decoder, known: KnownDigests) -> None:
        """Read every file; decode those without kept features."""
        self._batch = decoder.decode_files(self._root, self._paths, self._kept.take)
        gone = [
            position for position, error in self._batch.errors.items() if error.code == "missing"
        ]
        if gone and self._kept.any:
            self._recall(gone, known([self._paths[position] for position in gone]))

    def _recall(self, gone: list[int], digests: dict[str, str]) -> None:
        """Score files that are gone from the features that were kept of their content."""
        for position in gone:
            digest = digests.get(self._paths[position])
            if digest is not None:
                self._kept.recall(position, digest)
                self._gone[position] = digest

    def compute(self, models: Sequence[LoadedModel]) -> list[Computed]:
        """What each model gives; a backbone that several models share runs once."""
        began = time.perf_counter()
        features: dict[int, tuple[list[int], Float32Array]] = {}
        computed = []
        for model in models:
            key = id(model.backbone.graph)
            if key not in features:
                features[key] = self._features(model.backbone)
            positions, rows = features[key]
            scores = dict(zip(positions, model.score(rows).tolist(), strict=True))
            of_classes = dict(zip(positions, rows, strict=True)) if model.card.classes else {}
            computed.append(Computed(scores, of_classes))
        self._compute_seconds = time.perf_counter() - began
        return computed

    def outcome(self, member: int, computed: Computed) -> RunScores:
        """The outcomes of the batch for this member, whose model gave this.

        If the member keeps no features, its `missing` errors stay, whatever the others keep.
        """
        kept = self._kept.recalled(member)
        gone = {position: digest for position, digest in self._gone.items() if position in kept}
        errors = {
            position: error
            for position, error in self._batch.errors.items()
            if position not in gone
        }
        digests, notes = {**self._batch.digests, **gone}, dict.fromkeys(gone, _GONE)
        return RunScores(
            computed.scores,
            errors,
            digests,
            notes,
            computed.probabilities,
            self._batch.orientations,
        )

    def _features(self, backbone: Backbone) -> tuple[list[int], Float32Array]:
        """Positions `[n]` and features `[n, ...]` of all images that have features."""
        positions = self._batch.positions
        computed = backbone.graph(self._batch.images)
        self._kept.add(
            backbone, [self._batch.digests[position] for position in positions], computed
        )
        recalled = self._kept.rows(backbone)
        if not recalled:
            return positions, computed
        return [*positions, *recalled], np.concatenate([computed, np.stack([*recalled.values()])])
