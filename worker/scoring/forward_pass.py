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
from worker.scoring.views import mean_of_rows, mean_of_views, seen

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

    def compute(self, models: Sequence[LoadedModel], views: Sequence[int]) -> list[Computed]:
        """What each model gives, as the mean over as many of the `views`."""
        began = time.perf_counter()
        computed: list[list[Computed]] = [[] for _ in models]
        for view in range(max(views)):  # one after another, so that one is held at a time
            members = [member for member, count in enumerate(views) if view < count]
            seen_by = self._compute_view([models[member] for member in members], view)
            for member, of_view in zip(members, seen_by, strict=True):
                computed[member].append(of_view)
        self._compute_seconds = time.perf_counter() - began
        return [_mean(of_member) for of_member in computed]

    def _compute_view(self, models: Sequence[LoadedModel], view: int) -> list[Computed]:
        """What one view gives; a backbone that several models share runs once."""
        features: dict[int, tuple[list[int], Float32Array]] = {}
        computed = []
        for model in models:
            key = id(model.backbone.graph)
            if key not in features:
                features[key] = self._features(model.backbone, view)
            positions, rows = features[key]
            scores = dict(zip(positions, model.score(rows).tolist(), strict=True))
            of_classes = dict(zip(positions, rows, strict=True)) if model.card.classes else {}
            computed.append(Computed(scores, of_classes))
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

    def _features(self, backbone: Backbone, view: int) -> tuple[list[int], Float32Array]:
        """Positions `[n]` and features `[n, ...]` of one view of all images that have them."""
        positions = self._batch.positions
        computed = backbone.graph(seen(self._batch.images, view))
        self._kept.add(
            backbone, view, [self._batch.digests[position] for position in positions], computed
        )
        recalled = self._kept.rows(backbone, view)
        if not recalled:
            return positions, computed
        return [*positions, *recalled], np.concatenate([computed, np.stack([*recalled.values()])])


def _mean(views: Sequence[Computed]) -> Computed:
    """The mean of what the views of each image gave."""
    if len(views) == 1:
        return views[0]
    scores = mean_of_views([view.scores for view in views])
    rows = {at: [view.probabilities[at] for view in views] for at in views[0].probabilities}
    return Computed(scores, {at: mean_of_rows(rows[at]) for at in rows if at in scores})
