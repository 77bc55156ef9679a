"""The state of a training, in memory and in a folder from which it can continue."""

import json
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from base.arrays import Float32Array
from base.runtime import keras

Weights = list[Float32Array]


@dataclass
class BestEpoch:
    """The head's weights after one of the best epochs, counted from 1."""

    epoch: int
    loss: float
    weights: Weights


@dataclass
class TrainingState:
    """Completed epochs, their figures, and the `keep` best by validation loss, the best first."""

    keep: int
    epochs: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best: list[BestEpoch] = field(default_factory=list)

    def record(self, logs: dict[str, float], weights: Weights) -> None:
        """Add an epoch; one with a loss that is not finite is never among the best."""
        self.epochs += 1
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        loss = float(logs["val_loss"])
        if math.isfinite(loss):
            ranked = [*self.best, BestEpoch(self.epochs, loss, weights)]
            self.best = sorted(ranked, key=lambda best: best.loss)[: self.keep]  # ties: the earlier

    @property
    def since_best(self) -> int:
        """Epochs since the last improvement."""
        return self.epochs - self.best[0].epoch if self.best else self.epochs

    def save(self, folder: Path, head: Any) -> None:  # noqa: ANN401 - keras.Model
        """Write the state and the head with its optimizer, then replace the old state."""
        draft = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        head.save(draft / "head.keras")
        facts = {
            "epochs": self.epochs,
            "history": self.history,
            "best": [(best.epoch, best.loss) for best in self.best],
        }
        (draft / "state.json").write_text(json.dumps(facts))
        for rank, best in enumerate(self.best):
            np.savez(draft / f"best-{rank}.npz", *best.weights)
        recover(folder)
        if folder.is_dir():
            folder.rename(_old(folder))
        draft.rename(folder)
        shutil.rmtree(_old(folder), ignore_errors=True)

    @classmethod
    def load(cls, folder: Path, keep: int) -> tuple[Self, Any]:
        """The state in `folder`, and its head."""
        facts = json.loads((folder / "state.json").read_text())
        best = [
            BestEpoch(epoch, loss, _weights(folder / f"best-{rank}.npz"))
            for rank, (epoch, loss) in enumerate(facts["best"])
        ]
        head = keras.saving.load_model(folder / "head.keras", safe_mode=True)
        return cls(keep, facts["epochs"], facts["history"], best), head


def recover(folder: Path) -> None:
    """Restore the old state if the program was killed between the two renames of `save`."""
    if not folder.is_dir() and _old(folder).is_dir():
        _old(folder).rename(folder)
    shutil.rmtree(_old(folder), ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def _weights(path: Path) -> Weights:
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in stored.files]
