"""A real int8 checkpoint for the images of `colours`, and what it gives for each of them.

Its score says less than the stub's: not the number that an image holds, but one of its own for all
its pixels, equal to the bit in every process.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock

from colours import HIGHEST, draw_folder
from invariants import Outcome
from networks import hub_checkpoint, save_module
from quantised import quantise

from imaging.decoding.decoder import Decoder
from model.held_checkpoint import hold_checkpoint
from worker.scoring.loaded_model import Backbones, LoadedModel

_AT_ONCE = 512
# An image is told by its number and the kind of its file.
_Image = tuple[float, str]
_known: dict[tuple[Path, _Image], float] = {}
_scoring = Lock()


def int8_engine(folder: Path) -> dict[str, str]:
    """What a site sets to score with the real engine; its checkpoint is written into `folder`."""
    draw_folder(folder, range(0, HIGHEST, HIGHEST // 60), "calibration")
    module = save_module(folder / "module")
    float32 = hub_checkpoint(folder / "float32.keras", module, 1)
    made = quantise(float32.path, folder, folder / "int8.keras", source="calibration")
    return {"CHECKPOINT": str(made.path), "STUB_MODE": "int8"}


def int8_outcomes(
    checkpoint: Path, folder: Path, expected: Mapping[str, Outcome]
) -> dict[str, Outcome]:
    """Path to score, where the stub's score was expected; errors stay."""
    images = {
        path: (outcome, Path(path).suffix)
        for path, outcome in expected.items()
        if isinstance(outcome, float)
    }
    with _scoring:
        model = _loaded(checkpoint)
        new = {image: path for path, image in images.items() if (checkpoint, image) not in _known}
        paths = list(new.values())
        for start in range(0, len(paths), _AT_ONCE):
            batch = Decoder(model.card.decode).decode_files(folder, paths[start : start + _AT_ONCE])
            assert not batch.errors
            scores = model.score_images(batch.images).tolist()
            for position, score in zip(batch.positions, scores, strict=True):
                _known[checkpoint, images[paths[start + position]]] = score
    return {**expected, **{path: _known[checkpoint, image] for path, image in images.items()}}


@cache
def _loaded(checkpoint: Path) -> LoadedModel:
    with hold_checkpoint(checkpoint) as held:
        return LoadedModel(held, "float32", Backbones())
