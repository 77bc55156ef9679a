"""Tiny quantised checkpoints, made by `trainer quantise` itself."""

from pathlib import Path

from drawing import draw
from networks import Saved

from imaging.listing.labels import LABELS
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import PLAIN
from model.card import ModelCard
from trainer.quantising.quantisation import QuantiseRequest, quantise_checkpoint

CLASSES = ("nevus", "melanoma")


def drawn_images(root: Path, name: str, count: int, seed: int = 0) -> Path:
    """A folder of class folders under `root`, its images of colours that depend on their number."""
    for at in range(count):
        draw(root / name / CLASSES[at % 2] / f"{at}.jpg", seed=seed + at)
    return root / name


def quantise(
    checkpoint: Path, root: Path, output: Path, valid: str | None = None, source: str = "train"
) -> Saved:
    """An int8 checkpoint, calibrated on the images of `source` under `root`."""
    given = None if valid is None else str(root / valid)
    request = QuantiseRequest(
        checkpoint, str(root / source), output, given, None, 300, 7, PLAIN, LABELS
    )
    rows, valid_rows = (
        [] if name is None else list(list_source(name, root, LABELS))
        for name in (request.source, given)
    )
    path = Path(quantise_checkpoint(request, root, rows, valid_rows)[0])
    return Saved(path, ModelCard.read(path).digest)
