"""How far the scores of a quantised checkpoint are from the float32 one's."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from base.arrays import Float64Array
from base.console.telling import tell
from base.listed_image import ListedImage
from db.precisions import PRECISIONS
from imaging.data_root import Root
from imaging.decoding.decoder import Decoder
from model.card import Difference
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from report.metrics.metrics import measure
from trainer.quantising.images import decoded
from worker.scoring.loaded_model import Backbones, LoadedModel

# Where no threshold was chosen.
_MIDDLE = 0.5


class Scored(NamedTuple):
    """Scores `[n]` of both checkpoints, and labels; None for an image without one."""

    float32: Float64Array
    quantised: Float64Array
    labels: list[int | None]


def compare(
    float32: Path,
    quantised: Path,
    root: Root,
    rows: Sequence[ListedImage],
    known: Collection[str],
) -> Difference:
    """Score images with both checkpoints, as a worker does; `known` digests are left out.

    Raises:
        CheckpointError: a worker could not score with one, or no image is left.
    """
    exact = _loaded(float32)
    scored = _scored(exact, _loaded(quantised), root, rows, known)
    chosen = exact.card.threshold
    return difference(scored, _MIDDLE if chosen is None else chosen.value)


def difference(scored: Scored, threshold: float) -> Difference:
    """The figures of both checkpoints' scores; pure."""
    distance = np.abs(scored.float32 - scored.quantised)
    turned = (scored.float32 >= threshold) != (scored.quantised >= threshold)
    labelled = np.array([label is not None for label in scored.labels])
    labels = np.array([label for label in scored.labels if label is not None], np.int8)
    auc, auc_float32 = (
        measure(labels, scores[labelled], threshold).roc_auc.value if len(labels) else None
        for scores in (scored.quantised, scored.float32)
    )
    return Difference(
        n=len(distance),
        mean=float(distance.mean()),
        largest=float(distance.max()),
        threshold=threshold,
        turned=int(turned.sum()),
        roc_auc=auc,
        roc_auc_float32=auc_float32,
    )


def _loaded(path: Path) -> LoadedModel:
    with hold_checkpoint(path) as held:
        return LoadedModel(held, PRECISIONS[0], Backbones())


def _scored(
    float32: LoadedModel,
    quantised: LoadedModel,
    root: Root,
    rows: Sequence[ListedImage],
    known: Collection[str],
) -> Scored:
    given: tuple[list[Float64Array], list[Float64Array]] = ([], [])
    labels: list[int | None] = []
    left_out = 0
    for part in decoded(root, rows, Decoder(float32.card.decode), "comparing with float32"):
        at = [position for position, one in enumerate(part.digests) if one not in known]
        left_out += len(part.digests) - len(at)
        if at:
            images = part.images[at]
            for scores, model in zip(given, (float32, quantised), strict=True):
                scores.append(model.score_images(images))
            labels += [part.rows[position].label for position in at]
    if left_out:
        tell(f"--valid: {left_out} images left out, on which the ranges were measured", err=True)
    if not labels:
        raise CheckpointError("--valid: no image is left to compare the scores on")
    return Scored(np.concatenate(given[0]), np.concatenate(given[1]), labels)
