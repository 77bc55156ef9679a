"""The checkpoints that this worker has loaded, each once and with its digest checked."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from db.queries.refusals import Wanted
from db.queries.runs import RunSpec
from model.card import claimed_card
from model.errors import CheckpointError
from model.graphs.checkpoint_graphs import GraphShelf
from model.held_checkpoint import HeldCheckpoint, hold_checkpoint
from worker import timing
from worker.scoring.loaded_model import Backbones, LoadedModel


class ModelRegistry:
    """Loaded checkpoints; `preferred` is the file that `CHECKPOINT` names, if any.

    On the `shelf`, if there is one, their graphs are kept for the next worker.
    """

    def __init__(self, preferred: Path | None, shelf: GraphShelf | None = None) -> None:
        self._preferred = preferred
        self._shelf = shelf
        self._backbones = Backbones()
        self._loaded: dict[Wanted, LoadedModel] = {}
        self._failed: dict[Wanted, tuple[float, CheckpointError]] = {}
        self._lock = threading.Lock()

    def get(self, spec: RunSpec) -> LoadedModel:
        """The loaded model of a run's checkpoint in its precision.

        Raises:
            CheckpointError: no file with its digest was found here, or it cannot run in this
                precision.
        """
        wanted = spec.wanted
        with self._lock:
            if wanted not in self._loaded:
                self._load_pinned(wanted, Path(spec.path))
            return self._loaded[wanted]

    def failure(self, digest: str, precision: str) -> CheckpointError | None:
        """Why loading this checkpoint in this precision failed, if it did."""
        failed = self._failed.get(Wanted(digest, precision))
        return None if failed is None else failed[1]

    def _load_pinned(self, wanted: Wanted, stored: Path) -> None:
        tried_at, error = self._failed.get(wanted, (0.0, None))
        if error is not None and time.monotonic() < tried_at + timing.CHECKPOINT_RETRY_SECONDS:
            raise error
        try:
            with self._find(wanted.digest, stored) as held:
                self._loaded[wanted] = LoadedModel(
                    held, wanted.precision, self._backbones, self._shelf
                )
            self._failed.pop(wanted, None)
        except CheckpointError as failure:
            self._failed[wanted] = (time.monotonic(), failure)
            raise

    def _find(self, digest: str, stored: Path) -> HeldCheckpoint:
        """The first candidate with the pinned digest; a file with another digest is passed over."""
        refusals = []
        for path in dict.fromkeys(self._candidates(stored)):
            try:
                return _held(path, digest)
            except CheckpointError as error:
                refusals.append(error.message)
        raise CheckpointError(f"checkpoint {digest[:12]} was not found: {'; '.join(refusals)}")

    def _candidates(self, stored: Path) -> Iterator[Path]:
        yield stored
        if self._preferred is not None:
            yield self._preferred
            yield self._preferred.parent / stored.name


def _held(path: Path, digest: str) -> HeldCheckpoint:
    """The checkpoint at `path`, if it has this digest.

    Raises:
        CheckpointError: there is no checkpoint, or it has another digest.
    """
    claimed = claimed_card(path).digest
    if claimed == digest:
        held = hold_checkpoint(path)
        if held.card.digest == digest:
            return held
        claimed = held.card.digest  # another file has just taken its name
        held.file.close()
    raise CheckpointError(f"{path} is another checkpoint ({claimed[:12]})")
