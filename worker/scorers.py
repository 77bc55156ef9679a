"""The checkpoints that this worker has loaded: each once, the digest checked."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from db.tables import Checkpoint
from model.card import read_checkpoint_card
from model.errors import CheckpointError

if TYPE_CHECKING:
    from worker.scorer import Scorer

# How long a checkpoint that could not be had is not tried again.
RETRY_SECONDS = 30.0


class Scorers:
    """Loaded checkpoints by digest; `preferred` is the file that `CHECKPOINT` names, if any."""

    def __init__(self, preferred: Path | None) -> None:
        self._preferred = preferred
        self._loaded: dict[str, Scorer] = {}
        self._failed: dict[str, tuple[float, CheckpointError]] = {}
        self._lock = threading.Lock()

    def load(self, path: Path) -> "Scorer":
        """Load the checkpoint at `path`, whatever its digest."""
        read_checkpoint_card(path)  # a bad file should not wait for TensorFlow
        return self._load(path)

    def _load(self, path: Path) -> "Scorer":
        # Deferred: TensorFlow, which the producer must not import.
        from worker.scorer import Scorer

        scorer = Scorer(path)
        self._loaded[scorer.card.digest] = scorer
        return scorer

    def get(self, checkpoint: Checkpoint) -> "Scorer":
        """The scorer of a run's checkpoint.

        Raises:
            CheckpointError: no file of its digest is to be had here.
        """
        with self._lock:
            if checkpoint.digest not in self._loaded:
                self._load_pinned(checkpoint)
            return self._loaded[checkpoint.digest]

    def failed(self, digest: str) -> CheckpointError | None:
        """Why the checkpoint of this digest cannot be had, if it was tried in vain."""
        return self._failed[digest][1] if digest in self._failed else None

    def _load_pinned(self, checkpoint: Checkpoint) -> None:
        tried_at, error = self._failed.get(checkpoint.digest, (-RETRY_SECONDS, None))
        if error is not None and time.monotonic() < tried_at + RETRY_SECONDS:
            raise error
        try:
            self._load(self._find(checkpoint))
            self._failed.pop(checkpoint.digest, None)
        except CheckpointError as failure:
            self._failed[checkpoint.digest] = (time.monotonic(), failure)
            raise

    def _find(self, checkpoint: Checkpoint) -> Path:
        """The first candidate of the pinned digest; one swapped under its name is passed over."""
        refusals = []
        for path in self._candidates(checkpoint):
            try:
                found = read_checkpoint_card(path).digest
            except CheckpointError as error:
                refusals.append(error.message)
                continue
            if found == checkpoint.digest:
                return path
            refusals.append(f"{path} is another checkpoint ({found[:12]})")
        raise CheckpointError(
            f"checkpoint {checkpoint.digest[:12]} is not to be had: {'; '.join(refusals)}"
        )

    def _candidates(self, checkpoint: Checkpoint) -> Iterator[Path]:
        stored = Path(checkpoint.path)
        yield stored
        if self._preferred is not None:
            yield self._preferred
            yield self._preferred.parent / stored.name
