"""Images to scores for several checkpoints at once: each image is decoded once for all of them."""

import threading
from collections import defaultdict
from collections.abc import Sequence

from base.runtime import device_name
from db.queries.outcomes import Seconds
from db.queries.runs import RunSpec
from db.queries.speeds import Rates
from imaging.data_root import Root
from imaging.decoding.decoder import PRINTED, Decoder, NativeOutput
from imaging.decoding.memory import holding_batch
from model.card import Decode
from model.errors import CheckpointError
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores
from worker.scoring.features import RunFeatures
from worker.scoring.forward_pass import ForwardPass
from worker.scoring.graphs.graph_speeds import GraphSpeeds
from worker.scoring.model_registry import ModelRegistry


class ModelEngine:
    """Scores with the checkpoints that this worker has loaded."""

    def __init__(
        self,
        root: Root,
        registry: ModelRegistry,
        features: RunFeatures,
        native: NativeOutput = PRINTED,
    ) -> None:
        self._root = root
        self._native = native
        self._registry = registry
        self._features = features
        self._decoders: dict[Decode, Decoder] = {}
        # One batch computes while another decodes; two at once would only share the same cores.
        self._computing = threading.Lock()
        self._speeds = GraphSpeeds()

    def prepare(self, spec: RunSpec) -> None:
        """Load the run's checkpoint, if it is not loaded.

        Raises:
            CheckpointError: no file with its digest was found here, or it cannot run in this
                precision.
        """
        self._registry.get(spec)

    def score(
        self, specs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        """Score the images at `paths` for each run, in one pass for each set of decode settings."""
        models = [self._registry.get(spec) for spec in specs]
        passes: defaultdict[Decode, list[int]] = defaultdict(list)
        for index, model in enumerate(models):
            passes[model.card.decode].append(index)
        scored: dict[int, RunScores] = {}
        seconds = Seconds()
        for decode, members in passes.items():
            kept = self._features.of([(specs[index], models[index].backbone) for index in members])
            batch = ForwardPass(self._root, paths, kept)
            with holding_batch():
                batch.decode(self._decoder(decode), known)
                with self._computing:
                    computed = batch.compute(
                        [models[index] for index in members],
                        [specs[index].views for index in members],
                    )
            scored.update(
                (index, batch.outcome(member, computed[member]))
                for member, index in enumerate(members)
            )
            seconds = seconds.plus(batch.seconds)
        return BatchScores([scored[index] for index in range(len(specs))], seconds)

    def rates(self, spec: RunSpec, seconds: float) -> Rates | None:
        """How fast the run's network computes here; its checkpoint must be loaded.

        None where it cannot be told. Batches wait meanwhile, for so many seconds at most.
        """
        graph = self._registry.get(spec).backbone.graph
        with self._computing:
            return self._speeds.rates_of(graph, spec.precision, seconds)

    def failure(self, digest: str, precision: str) -> CheckpointError | None:
        """Why loading this checkpoint in this precision failed, if it did."""
        return self._registry.failure(digest, precision)

    @property
    def device(self) -> str:
        """Where scores are computed."""
        return device_name()

    def close(self) -> None:
        """Publish the features that were kept."""
        self._features.close()

    def _decoder(self, decode: Decode) -> Decoder:
        if decode not in self._decoders:
            self._decoders[decode] = Decoder(decode, native=self._native)
        return self._decoders[decode]
