"""What `producer enqueue` accepts a worker loads, and what a worker would refuse it refuses."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import KINDS, hub_network
from networks import SIDE
from processes import Site

from base.runtime import keras
from model.card import Decode, ModelCard, file_digest
from model.checkpoint import load_checkpoint
from model.checkpoint_requirements import refuse_unloadable_file
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from model.keras_archive import MAX_CONFIG
from model.keras_names import refuse_name
from worker.scoring.loaded_model import Backbones, LoadedModel

PROJECT = Path(__file__).parents[2]
# Every model of a folder, judged as `producer enqueue` judges it: the verdicts, the longest time
# that one took, and whether TensorFlow or Keras was imported for it.
JUDGE = """
import json, sys, time
from pathlib import Path
from model.card import read_checkpoint_card
from model.errors import CheckpointError
from model.checkpoint_requirements import refuse_unloadable_file
found, longest = {}, 0.0
for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    card = read_checkpoint_card(path)
    began = time.process_time()
    try:
        refuse_unloadable_file(path, card)
        found[path.stem] = ""
    except CheckpointError as error:
        found[path.stem] = error.message
    longest = max(longest, time.process_time() - began)
imported = sorted({"keras", "tensorflow", "h5py"} & set(sys.modules))
print(json.dumps([found, longest, imported]))
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind as TensorFlow saves it, named by its number, with its card."""
    folder = tmp_path_factory.mktemp("models")
    made = [(kind.make(), kind.promised) for kind in KINDS.values()]
    made.append((hub_network(folder / "module"), False))
    for number, (model, promised) in enumerate(made):
        path = folder / f"{number}.keras"
        model.save(path)
        describe(path, promised=promised)
    return folder


def describe(path: Path, *, promised: bool = False) -> ModelCard:
    card = ModelCard(
        digest=file_digest(path),
        decode=Decode(height=SIDE, width=SIDE),
        output="probability" if promised else None,
    )
    card.write(path)
    return card


@pytest.fixture(scope="session")
def judged(models: Path) -> tuple[dict[str, str], float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, models],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    )
    found, longest, imported = json.loads(done.stdout)
    return found, longest, imported


def test_the_producer_needs_neither_tensorflow_nor_keras(
    judged: tuple[dict[str, str], float, list[str]],
) -> None:
    assert judged[2] == []


@pytest.mark.parametrize("number", range(len(KINDS) + 1))
def test_the_producer_accepts_what_a_worker_loads_and_nothing_else(
    judged: tuple[dict[str, str], float, list[str]], models: Path, number: int
) -> None:
    kind = list(KINDS.values())[number] if number < len(KINDS) else None
    verdict, path = judged[0][str(number)], models / f"{number}.keras"

    if kind is None or not kind.refusal:
        assert verdict == ""
        with hold_checkpoint(path) as held:
            scorer = LoadedModel(held, "float32", Backbones())
        images = np.random.default_rng(0).random((4, SIDE, SIDE, 3), np.float32)
        scores = scorer.score_images(images)
        assert np.all((scores >= 0) & (scores <= 1))
        return
    assert kind.refusal in verdict
    assert verdict.startswith(str(path))
    assert "\n" not in verdict
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(path)
    assert refused.value.message == verdict


@pytest.mark.parametrize(
    ("module", "name", "is_known"),
    [
        ("keras.layers", "Dense", True),
        ("keras", "Sequential", True),
        ("keras.src.models.functional", "Functional", True),
        ("keras.src.ops.numpy", "GetItem", True),
        ("keras.src.applications.convnext", "LayerScale", True),
        ("builtins", "relu", True),
        ("builtins", "system", False),
        ("keras.layers", "Dance", False),
        ("keras.layers", "TFSMLayer", False),
        ("keras.utils", "get_file", False),
        ("keras.src.utils.file_utils", "get_file", False),
        ("keras.src.saving.saving_lib", "H5IOStore", False),
        ("keras.models", "load_model", False),
        ("keras.src.engine.functional", "Functional", False),
        ("keras.src.." + "/etc", "passwd", False),
        ("os", "system", False),
        (None, "Own", False),
    ],
)
def test_names_are_those_of_the_installed_keras(
    module: str | None, name: str, *, is_known: bool
) -> None:
    if is_known:
        refuse_name(module, name)
    else:
        with pytest.raises(ValueError, match="it holds"):
            refuse_name(module, name)


# What Keras itself takes, of the right shapes, and would give scores that are wrong.
WRONG_FOR_US = ("ends with", "takes uint8")


def test_nothing_is_refused_that_keras_could_load_into_scores(
    judged: tuple[dict[str, str], float, list[str]], models: Path
) -> None:
    too_strict = [
        verdict
        for name, verdict in judged[0].items()
        if verdict
        and not any(words in verdict for words in WRONG_FOR_US)
        and keras_could(models / f"{name}.keras")
    ]

    assert too_strict == []


def keras_could(path: Path) -> bool:
    """Whether Keras loads the file elsewhere, where its maker's classes are not, to a scorer."""
    with keras.saving.CustomObjectScope({}):
        registered = keras.saving.get_custom_objects()
        kept = {name: registered.pop(name) for name in list(registered) if "elsewhere" in name}
        try:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
            return bool(
                (model.input_shape, model.output_shape) == ((None, SIDE, SIDE, 3), (None, 1))
            )
        except Exception:  # noqa: BLE001 - Keras raises almost anything
            return False
        finally:
            registered.update(kept)


def rewritten(models: Path, folder: Path, entries: dict[str, bytes | None]) -> Path:
    """The first model with other entries; None takes one away."""
    path = folder / "changed.keras"
    with zipfile.ZipFile(models / "0.keras") as old, zipfile.ZipFile(path, "w") as new:
        all_entries = {name: old.read(name) for name in old.namelist()} | entries
        for name, data in all_entries.items():
            if data is not None:
                new.writestr(name, data, zipfile.ZIP_DEFLATED)
    return path


def refusal(path: Path) -> str:
    """What both say, in one line."""
    card = describe(path)
    with pytest.raises(CheckpointError) as ours:
        refuse_unloadable_file(path, card)
    with pytest.raises(CheckpointError) as workers:
        load_checkpoint(path)
    assert ours.value.message == workers.value.message
    assert "\n" not in ours.value.message
    return ours.value.message


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[]", "describes no network"),
        (b"{}", "not one that Keras writes"),
        (b'{"class_name": "Sequential", "config": 3, "module": "keras"}', "not one that Keras"),
        (b'{"class_name": [], "config": {}, "module": "keras"}', "not one that Keras writes"),
        (b'{"a": ' * 900 + b"1" + b"}" * 900, "not one that Keras writes"),
        (b" " * (MAX_CONFIG + 1), "is longer than"),
    ],
)
def test_a_config_of_anything_is_refused_in_one_line(
    models: Path, tmp_path: Path, config: bytes, words: str
) -> None:
    assert words in refusal(rewritten(models, tmp_path, {"config.json": config}))


def test_a_graph_that_goes_round_ends(models: Path, tmp_path: Path) -> None:
    """A layer that is its own input."""
    tensor: dict[str, Any] = {"class_name": "__keras_tensor__"}
    tensor["config"] = {"shape": [None, 1], "keras_history": ["a", 0, 0]}
    layer = {"class_name": "Dropout", "module": "keras.layers", "name": "a", "config": {}}
    entry: dict[str, Any] = {"class_name": "InputLayer", "module": "keras.layers", "name": "i"}
    entry["config"] = {"batch_shape": [None, SIDE, SIDE, 3]}
    config = {
        "class_name": "Functional",
        "module": "keras.src.models.functional",
        "config": {
            "layers": [entry, {**layer, "inbound_nodes": [{"args": [tensor]}]}],
            "input_layers": [["i", 0, 0]],
            "output_layers": [["a", 0, 0]],
        },
    }

    path = rewritten(models, tmp_path, {"config.json": json.dumps(config).encode()})

    assert "ends with a layer without an activation" in refusal(path)


def test_an_archive_without_weights_or_with_two_configs_is_refused(
    models: Path, tmp_path: Path
) -> None:
    path = rewritten(models, tmp_path, {"model.weights.h5": None})
    assert "it holds no model.weights.h5" in refusal(path)
    path = rewritten(models, tmp_path, {})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", b"{}")
    assert "it holds 2 config.json" in refusal(path)


def test_a_listing_without_end_is_not_read(models: Path, tmp_path: Path) -> None:
    """An archive of 20,000 entries: as many objects as zipfile would make of its listing."""
    path = rewritten(models, tmp_path, {f"assets/{at:050}": b"" for at in range(20_000)})

    assert "more entries than a network has" in refusal(path)


def test_what_a_worker_would_refuse_enqueue_refuses(models: Path, tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "data" / "nevus").mkdir(parents=True)
    (tmp_path / "data" / "nevus" / "1.jpg").touch()
    number = list(KINDS).index("a softmax over seven")

    done = site.run("producer", "enqueue", "data", "--checkpoint", str(models / f"{number}.keras"))

    said = "maps (None, 32, 32, 3) to (None, 7); a checkpoint maps (None, 32, 32, 3) to (None, 1)"
    assert (done.code, done.stderr) == (1, f"Error: {models / f'{number}.keras'} {said}\n")
    assert not (tmp_path / "dermscore.db").exists(), "nothing was entered"
