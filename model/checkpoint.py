"""Save and load checkpoints: a .keras file and its model card next to it."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import model.hub.hub_module  # registers the layer that checkpoints may name
import model.quantised.quantised_backbone  # noqa: F401 - the same
from base.disk import reason_of
from base.permissions import make_folder, take_over
from base.runtime import load_keras_file
from model.card import ModelCard, file_digest
from model.checkpoint_requirements import refuse_unloadable, wrong_shapes
from model.errors import CheckpointError
from model.held_checkpoint import HeldCheckpoint, hold_checkpoint
from model.reproducible import make_reproducible

_OF_A_LAYER = re.compile(
    r"A total of \d+ objects could not be loaded\. Example error message for object <[^>]*>: "
    r"(.*) List of objects that could not be loaded"
)


def save_checkpoint(network: Any, path: Path, card: dict[str, Any]) -> tuple[Path, ModelCard]:  # noqa: ANN401 - keras.Model
    """Write `network` and its card; neither gets its name before it is complete.

    `card` is everything but the digest, and is written last: a checkpoint without a card is
    refused. An existing checkpoint of the same name stays, since runs may be pinned to it: the new
    one's name then ends in -2, -3, … Returns the path and the finished card.

    Raises:
        CheckpointError: it cannot be written, for example because the disk is full.
    """
    try:
        return _write(network, path, card)
    except (OSError, RuntimeError) as error:  # HDF5 has its own message for a full disk
        raise CheckpointError(f"{path} cannot be written: {reason_of(error)}") from error


def _write(network: Any, path: Path, card: dict[str, Any]) -> tuple[Path, ModelCard]:  # noqa: ANN401 - keras.Model
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=".saving-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        network.save(draft)
        make_reproducible(draft, card["decode"])
        finished = ModelCard(digest=file_digest(draft), **card)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        path = _free_name(path, finished.digest)
        take_over(draft, path)
        draft.replace(path)
    finished.write(path)
    return path, finished


def _free_name(path: Path, digest: str) -> Path:
    number, candidate = 1, path
    while candidate.exists() and file_digest(candidate) != digest:
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate


def load_checkpoint(path: Path) -> tuple[Any, ModelCard]:
    """The Keras model and card of a checkpoint; nothing in it is unpickled or run on loading.

    Raises:
        CheckpointError: it is missing, cut short, not what its card says, or holds code.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder, not a .keras file")
    with hold_checkpoint(path) as held:
        return load_held(held), held.card


def load_held(held: HeldCheckpoint) -> Any:  # noqa: ANN401 - keras.Model
    """The Keras model of a held checkpoint.

    Raises:
        CheckpointError: it is not a network that can score images, or it holds code.
    """
    path, card = held.path, held.card
    refuse_unloadable(held.file, path, card)
    try:
        held.file.seek(0)
        network = load_keras_file(held.file, compile=False, safe_mode=True)
        shapes = network.input_shape, network.output_shape
    except Exception as error:  # Keras raises almost anything on a bad file
        raise CheckpointError(f"{path} cannot be loaded: {_innermost(str(error))}") from error
    if shapes != ((None, card.decode.height, card.decode.width, 3), (None, 1)):
        raise CheckpointError(f"{path} {wrong_shapes(*shapes, card)}")
    return network


def _innermost(message: str) -> str:
    """The innermost message: Keras nests its reports of one fault, and lists the layers."""
    inner = " ".join(message.rsplit("Exception encountered: ", maxsplit=1)[-1].split())
    named = _OF_A_LAYER.match(inner)
    return (named[1] if named else inner)[:400]
