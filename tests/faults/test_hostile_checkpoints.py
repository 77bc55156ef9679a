"""A checkpoint from anyone: refused in one line, and nothing of it was run, read or unpacked."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile_modules import HOSTILE as MODULES
from hostile_modules import Mean, put_into_checkpoint

from base.runtime import keras, tf
from model.card import Decode, ModelCard, file_digest
from model.checkpoint import load_checkpoint, save_checkpoint
from model.errors import CheckpointError
from trainer.training.backbone import build_backbone

Entries = dict[str, bytes]
Change = Callable[[Entries, Path], None]


class Executed:
    """Unpickling this makes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self._mark}",))


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with nothing wrong."""
    network = keras.Sequential(
        [
            keras.Input((299, 299, 3)),
            keras.layers.AveragePooling2D(64),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    folder = tmp_path_factory.mktemp("harmless")
    return save_checkpoint(network, folder / "c.keras", {"decode": Decode()})[0]


def changed(harmless: Path, folder: Path, change: Change) -> Path:
    """The same with a change to its entries, and a card that describes it as it now is."""
    with zipfile.ZipFile(harmless) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    change(entries, folder)
    path = folder / "changed.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in entries.items():
            new.writestr(name, data)
    ModelCard(digest=file_digest(path), decode=Decode()).write(path)
    return path


def with_layer(module: str | None, name: str, registered: str | None = None, **options: Any) -> Any:
    """Another layer, as its config would have Keras make it."""

    def change(entries: Entries, folder: Path) -> None:
        config = json.loads(entries["config.json"])
        layer: dict[str, Any] = {
            "module": module,
            "class_name": name,
            "registered_name": registered,
        }
        told = {key: str(folder / value) for key, value in options.items()}
        layer["config"] = {"name": "added", **told}
        config["config"]["layers"].insert(1, layer)
        entries["config.json"] = json.dumps(config).encode()

    return change


def with_activation(module: str, name: str) -> Change:
    def change(entries: Entries, _folder: Path) -> None:
        config = json.loads(entries["config.json"])
        function = {"module": module, "class_name": "function", "config": name}
        config["config"]["layers"][-1]["config"]["activation"] = {
            **function,
            "registered_name": name,
        }
        entries["config.json"] = json.dumps(config).encode()

    return change


def with_entry(name: str) -> Change:
    def change(entries: Entries, _folder: Path) -> None:
        entries[name] = b"x"

    return change


def with_pickle(name: str) -> Change:
    def change(entries: Entries, folder: Path) -> None:
        entries[name] = pickle.dumps(Executed(folder / "mark"))

    return change


def with_numpys_weights(entries: Entries, folder: Path) -> None:
    file = io.BytesIO()
    objects = np.array([Executed(folder / "mark")], dtype=object)
    arrays: dict[str, Any] = {"layers/dense/vars": objects}
    np.savez(file, **arrays)
    del entries["model.weights.h5"]
    entries["model.weights.npz"] = file.getvalue()


def with_weights_elsewhere(entries: Entries, folder: Path) -> None:
    """Weights that are a link to another file of this machine."""
    (folder / "other.h5").write_bytes(entries["model.weights.h5"])
    file = io.BytesIO(entries["model.weights.h5"])
    with h5py.File(file, "a") as weights:
        del weights["layers"]
        weights["layers"] = h5py.ExternalLink(str(folder / "other.h5"), "/layers")
    entries["model.weights.h5"] = file.getvalue()


def with_huge_weights(entries: Entries, _folder: Path) -> None:
    """A few bytes that claim to be four terabytes."""
    file = io.BytesIO(entries["model.weights.h5"])
    with h5py.File(file, "a") as weights:
        del weights["layers/dense/vars/0"]
        weights.create_dataset(
            "layers/dense/vars/0", (10**6, 10**6), "f4", chunks=(100, 100), compression="gzip"
        )
    entries["model.weights.h5"] = file.getvalue()


def with_a_bomb(entries: Entries, _folder: Path) -> None:
    entries["assets/zeros"] = bytes(300_000_000)


HOSTILE: dict[str, tuple[Change, str]] = {
    "a layer that starts a process": (with_layer("subprocess", "Popen", args="mark"), "Popen"),
    "a function of the system": (with_activation("os", "system"), "system"),
    "a function that downloads": (with_activation("keras.utils", "get_file"), "get_file"),
    "a function that loads": (with_activation("keras.saving", "load_model"), "load_model"),
    "a program elsewhere": (with_layer("keras.layers", "TFSMLayer", filepath="m"), "TFSMLayer"),
    "a file elsewhere": (with_layer("keras.layers", "StringLookup", vocabulary="v"), "vocabulary"),
    "an entry above": (with_entry("../mark"), "'../mark', which does not belong"),
    "an entry above the assets": (with_entry("assets/../../mark"), "does not belong"),
    "an absolute entry": (with_entry("/tmp/mark"), "does not belong"),
    "an entry of another kind": (with_entry("code.py"), "'code.py', which does not belong"),
    "a pickle beside": (with_pickle("model.pkl"), "does not belong"),
    "a pickle for weights": (with_pickle("model.weights.h5"), "file signature not found"),
    "a pickle for a config": (with_pickle("config.json"), "cannot be loaded"),
    "NumPy's weights": (with_numpys_weights, "'model.weights.npz', which does not belong"),
    "weights elsewhere": (with_weights_elsewhere, "cannot be loaded"),
    "huge weights": (with_huge_weights, "bomb"),
    "a small file that unpacks to a large one": (with_a_bomb, "bomb"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_checkpoint_is_refused(harmless: Path, tmp_path: Path, what: str) -> None:
    change, reason = HOSTILE[what]
    path = changed(harmless, tmp_path, change)
    before = sorted(tmp_path.iterdir())

    message = refusal(path)

    assert reason in message
    assert sorted(tmp_path.iterdir()) == before, "nothing was run or unpacked"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message
    return caught.value.message


class Writing(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """A module that writes a file when it is called."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self._mark = str(mark)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=self._mark, contents="x")]):
            return tf.reduce_mean(images, [1, 2])


def test_a_module_outside_the_checkpoint_is_not_loaded(harmless: Path, tmp_path: Path) -> None:
    """Its folder could as well be an address to download a program from."""
    tf.saved_model.save(Writing(tmp_path / "mark"), str(tmp_path / "module"))
    (tmp_path / "mark").unlink(missing_ok=True)

    def change(entries: Entries, folder: Path) -> None:
        with_layer(None, "HubModule", "dermscore>HubModule", folder="module")(entries, folder)
        config = json.loads(entries["config.json"])
        config["config"]["layers"][1]["config"]["features"] = 3
        entries["config.json"] = json.dumps(config).encode()

    path = changed(harmless, tmp_path, change)

    assert "lies outside the checkpoint" in refusal(path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("what", MODULES)
def test_a_hostile_module_is_refused_before_anything_of_it_runs(tmp_path: Path, what: str) -> None:
    make, reason = MODULES[what]
    make(tmp_path)
    path = put_into_checkpoint(tmp_path)

    message = refusal(path)

    assert reason in message
    assert "its TensorFlow Hub module" in message
    assert "such a checkpoint is not loaded" in message
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("what", list(MODULES)[:1])
def test_a_hostile_module_is_not_trained_on(tmp_path: Path, what: str) -> None:
    MODULES[what].make(tmp_path)

    with pytest.raises(
        CheckpointError, match=r"--backbone hub:.* cannot be loaded: its TensorFlow"
    ):
        build_backbone(f"hub:{tmp_path / 'module'}", Decode())

    assert not (tmp_path / "mark").exists()


def test_a_module_with_a_link_is_not_trained_on(tmp_path: Path) -> None:
    """The checkpoint would carry what it leads to into the world."""
    tf.saved_model.save(Mean(), str(tmp_path / "module"))
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "module" / "assets" / "words").symlink_to(tmp_path / "secret")

    with pytest.raises(CheckpointError, match="it holds a link, assets/words: copy it"):
        build_backbone(f"hub:{tmp_path / 'module'}", Decode())


def test_the_unchanged_one_loads(harmless: Path, tmp_path: Path) -> None:
    load_checkpoint(changed(harmless, tmp_path, lambda _entries, _folder: None))
