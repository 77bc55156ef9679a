"""An adopted checkpoint against its owner's predictions, as a worker scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from base.arrays import Float32Array, Float64Array
from base.console.foreign import shown
from db.precisions import PRECISIONS
from imaging.decoding.decoder import Decoder
from model.card import Decode, OwnerCheck
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from trainer.adopting.predictions import Predictions
from worker.scoring.loaded_model import Backbones, LoadedModel

_BATCH = 64


class Compared(NamedTuple):
    """How far the scores are from the owner's; the image that is farthest, its two scores."""

    largest: float
    path: str
    owners: float
    ours: float
    n: int

    def card(self, predictions: Predictions) -> OwnerCheck:
        """What the card keeps of it."""
        return OwnerCheck(
            largest_difference=self.largest,
            n=self.n,
            file=predictions.file,
            digest=predictions.digest,
        )


def compare(checkpoint: Path, root: Path, predictions: Predictions) -> Compared:
    """Score all images of the predictions with a checkpoint, and compare.

    Raises:
        CheckpointError: a worker could not score with it, or an image cannot be decoded.
    """
    with hold_checkpoint(checkpoint) as held:
        model = LoadedModel(held, PRECISIONS[0], Backbones())
    given = []
    for images in decoded(root, predictions.paths, model.card.decode):
        rows = model.backbone.graph(images)
        given.append(rows.astype(np.float64) if predictions.by_class else model.score(rows))
    ours: Float64Array = np.concatenate(given)
    differences = np.abs(ours - predictions.values)
    differences = np.where(np.isnan(differences), np.inf, differences)
    at = np.unravel_index(differences.argmax(), differences.shape)
    return Compared(
        float(differences[at]),
        predictions.paths[at[0]],
        float(predictions.values[at]),
        float(ours[at]),
        len(ours),
    )


def decoded(root: Path, paths: Sequence[str], settings: Decode) -> Iterator[Float32Array]:
    """The images in [0, 1], in their order, some at a time.

    Raises:
        CheckpointError: one cannot be decoded.
    """
    decoder = Decoder(settings)
    for start in range(0, len(paths), _BATCH):
        part = paths[start : start + _BATCH]
        batch = decoder.decode_files(root, part)
        for position, error in sorted(batch.errors.items()):
            raise CheckpointError(f"--check: {shown(part[position])}: {error.detail} ({root})")
        yield batch.images
