"""The owner's file or folder, copied: the bytes that are digested are those that are loaded."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from model.card import file_digest
from model.errors import CheckpointError
from model.hub.hub_module import module_digest
from model.keras_archive import read_config

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\3\4"
# Longer than any that Keras writes.
_MAX_METADATA = 100_000


class HeldSource(NamedTuple):
    """A model as it was saved; `config` is the network's, None for a SavedModel.

    `keras` is the major version of the Keras that wrote it, None for a SavedModel.
    """

    path: Path
    format: str
    digest: str
    config: dict[str, Any] | None = None
    keras: int | None = None


def hold_source(source: Path, folder: Path) -> HeldSource:
    """Copy a model into `folder`, and tell what it is by its bytes.

    Raises:
        CheckpointError: it is no model of a known format, or cannot be read.
    """
    try:
        if source.is_dir():
            return _hold_folder(source, folder / "saved_model")
        with source.open("rb") as file:
            mark = file.read(8)
        suffix = ".h5" if mark == _HDF5 else ".keras"
        if suffix == ".keras" and not mark.startswith(_ZIP):
            raise CheckpointError(
                f"{source} is neither a .keras or .h5 file of Keras nor the folder of a SavedModel"
            )
        copy = folder / f"model{suffix}"
        shutil.copyfile(source, copy)
        return _of_h5(source, copy) if suffix == ".h5" else _of_keras(source, copy)
    except OSError as error:
        raise CheckpointError(f"{source} cannot be read: {error.strerror or error}") from error


def _hold_folder(source: Path, copy: Path) -> HeldSource:
    if not (source / "saved_model.pb").is_file():
        raise CheckpointError(f"{source} is no SavedModel: it holds no file saved_model.pb")
    for part in ("", "variables"):
        (copy / part).mkdir()
        for file in sorted((source / part).glob("*")):
            if file.is_file():
                shutil.copyfile(file, copy / part / file.name)
    return HeldSource(copy, "SavedModel", module_digest(copy))


def _of_h5(source: Path, copy: Path) -> HeldSource:
    with h5py.File(copy, "r") as file:
        config, written_by = file.attrs.get("model_config"), file.attrs.get("keras_version")
    if config is None:
        raise CheckpointError(
            f"{source} holds weights without a network: build the network, load them into it, and "
            "save it whole"
        )
    return _held(source, copy, _json(source, config), _text(written_by or "2"))


def _of_keras(source: Path, copy: Path) -> HeldSource:
    try:
        with copy.open("rb") as file:
            config = read_config(file)
        with zipfile.ZipFile(copy) as archive, archive.open("metadata.json") as entry:
            metadata = _json(source, entry.read(_MAX_METADATA))
    except (KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{source} is not a whole .keras file") from error
    except ValueError as error:
        raise CheckpointError(f"{source} cannot be read: {error}") from error
    return _held(source, copy, config, str(metadata.get("keras_version", "3")))


def _held(source: Path, copy: Path, config: dict[str, Any], written_by: str) -> HeldSource:
    major = written_by.partition(".")[0]
    if major not in ("1", "2", "3"):
        raise CheckpointError(
            f"{source} was written by Keras {written_by[:20]}, which is not known"
        )
    keras = 3 if major == "3" else 2
    return HeldSource(copy, f"Keras {keras} {copy.suffix}", file_digest(copy), config, keras)


def _json(source: Path, data: Any) -> dict[str, Any]:  # noqa: ANN401 - text or bytes of HDF5 or zip
    try:
        value = json.loads(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{source} holds a description of its network that is no JSON"
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{source} describes no network")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - text or bytes of HDF5
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
