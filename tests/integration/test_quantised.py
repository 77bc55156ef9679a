"""Int8 checkpoints in one process: what they are, and what their scores depend on."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from networks import SIDE, Saved, hub_checkpoint, save, save_module, sequential
from processes import PROJECT
from quantised import drawn_images, quantise

from base.runtime import keras
from model.card import Decode, ModelCard, file_digest
from model.checkpoint import load_checkpoint
from model.errors import CheckpointError
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_store import GraphStore
from model.held_checkpoint import hold_checkpoint
from report.report_model import image_digests
from worker.scoring.loaded_model import Backbones, LoadedModel

IMAGES = np.random.default_rng(3).random((64, SIDE, SIDE, 3), np.float32)


class Pair(NamedTuple):
    """A float32 checkpoint, its quantised one, and the folder of their images."""

    root: Path
    float32: Saved
    int8: Saved


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    root = tmp_path_factory.mktemp("quantised")
    for name, seed in (("train", 0), ("valid", 50)):
        drawn_images(root, name, 8, seed)
    float32 = hub_checkpoint(root / "a.keras", save_module(root / "module"), 1)
    return Pair(root, float32, quantise(float32.path, root, root / "q.keras", "valid"))


def loaded(
    saved: Saved, backbones: Backbones | None = None, precision: str = "float32"
) -> LoadedModel:
    with hold_checkpoint(saved.path) as held:
        return LoadedModel(held, precision, backbones or Backbones())


def test_the_scores_are_near_those_in_float32(pair: Pair) -> None:
    exact = loaded(pair.float32).score_images(IMAGES)
    near = loaded(pair.int8).score_images(IMAGES)

    assert 0 < np.abs(near - exact).max() < 0.03


def test_a_score_depends_on_nothing_but_its_image(pair: Pair) -> None:
    model = loaded(pair.int8)
    expected = model.score_images(IMAGES)
    for size in (1, 2, 7, 64):
        order = np.random.default_rng(size).permutation(len(IMAGES))
        found = np.empty_like(expected)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            found[rows] = model.score_images(IMAGES[rows])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(loaded(pair.int8).score_images(IMAGES), expected)
    assert model.score_images(IMAGES[:0]).shape == (0,)


def test_the_same_quantisation_gives_the_same_bytes(pair: Pair) -> None:
    assert quantise(pair.float32.path, pair.root, pair.root / "again.keras").digest == (
        pair.int8.digest
    )


def test_another_file_of_the_name_stays(pair: Pair) -> None:
    before = pair.float32.path.read_bytes()

    made = quantise(pair.float32.path, pair.root, pair.float32.path)

    assert made.path.name == "a-2.keras"
    assert pair.float32.path.read_bytes() == before


def test_heads_on_one_quantised_backbone_share_it_and_float32_does_not(pair: Pair) -> None:
    other = hub_checkpoint(pair.root / "b.keras", pair.root / "module", 2)
    second = quantise(other.path, pair.root, pair.root / "q2.keras")
    backbones = Backbones()

    one, two, exact = (loaded(each, backbones) for each in (pair.int8, second, pair.float32))

    assert one.backbone is two.backbone
    assert one.backbone.key is not None
    assert exact.backbone.key is not None
    assert one.backbone.key != exact.backbone.key
    assert not np.array_equal(one.score_images(IMAGES), two.score_images(IMAGES))


def test_the_next_worker_scores_it_without_importing_keras(pair: Pair, tmp_path: Path) -> None:
    shelf = GraphShelf(GraphStore(tmp_path, sys.exit))
    with hold_checkpoint(pair.int8.path) as held:
        expected = LoadedModel(held, "float32", Backbones(), shelf).score_images(IMAGES)
    script = f"""
import sys
from pathlib import Path
import numpy as np
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_store import GraphStore
from model.graphs.checkpoint_graphs import GraphShelf
from model.graphs.graph_store import GraphStore
from model.held_checkpoint import hold_checkpoint
from worker.scoring.loaded_model import Backbones, LoadedModel
shelf = GraphShelf(GraphStore(Path({str(tmp_path)!r}), sys.exit))
with hold_checkpoint(Path({str(pair.int8.path)!r})) as held:
    model = LoadedModel(held, "float32", Backbones(), shelf)
images = np.random.default_rng(3).random((64, {SIDE}, {SIDE}, 3), np.float32)
heavy = {{"keras", "tf_keras", "tensorflow_hub", "sklearn", "matplotlib", "pandas"}}
print([sorted(heavy & set(sys.modules)), model.score_images(images).tolist()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.replace("'", '"')) == [[], expected.tolist()]


def test_a_head_that_was_kept_is_not_put_on_another_backbone(pair: Pair, tmp_path: Path) -> None:
    said: list[str] = []
    shelf = GraphShelf(GraphStore(tmp_path, said.append))
    with hold_checkpoint(pair.int8.path) as held:
        expected = LoadedModel(held, "float32", Backbones(), shelf).score_images(IMAGES)
        card = held.card
    kept = shelf.find(card)
    assert kept is not None
    shelf.keep(card, kept._replace(digest="0" * 64))

    with hold_checkpoint(pair.int8.path) as held:
        again = LoadedModel(held, "float32", Backbones(), shelf)

    np.testing.assert_array_equal(again.score_images(IMAGES), expected)
    assert again.backbone.layers != ()  # by Keras
    assert said == []


def test_the_card_says_what_it_was_made_of_and_how_far_it_is(pair: Pair) -> None:
    card = ModelCard.read(pair.int8.path)
    what = card.quantised
    assert what is not None
    assert what.float32 == pair.float32.digest
    assert what.images == sorted(map(file_digest, pair.root.glob("train/*/*.jpg")))
    assert what.versions.keys() == {"openvino", "nncf"}
    assert what.difference is not None
    assert (what.difference.n, what.difference.threshold) == (8, 0.5)
    assert 0 < what.difference.mean <= what.difference.largest < 0.03
    assert what.difference.roc_auc_float32 is not None
    assert image_digests(card.as_json(), "images") == what.images
    assert image_digests(card.as_json(), "valid_images") == []
    assert "quantised" not in json.loads(pair.float32.path.with_suffix(".json").read_text())


def test_images_of_calibration_are_not_compared_on(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError, match="no image is left to compare"):
        quantise(pair.float32.path, pair.root, pair.root / "same.keras", "train")

    assert "8 images left out" in capsys.readouterr().err
    assert not (pair.root / "same.keras").exists()


def test_another_precision_is_refused(pair: Pair) -> None:
    with pytest.raises(CheckpointError, match="enqueue with --precision float32, the default"):
        loaded(pair.int8, precision="bfloat16")


def test_without_the_library_the_sentence_holds_the_command(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(
        CheckpointError, match=r"needs OpenVINO: pip install 'dermscore\[openvino\]'"
    ):
        loaded(pair.int8)
    with pytest.raises(CheckpointError, match=r"pip install 'dermscore\[openvino\]'"):
        quantise(pair.float32.path, pair.root, pair.root / "none.keras")


def test_keras_alone_does_not_compute_it(pair: Pair) -> None:
    network, _ = load_checkpoint(pair.int8.path)

    with pytest.raises(CheckpointError, match="computed by OpenVINO only"):
        network.layers[0].call(IMAGES[:1])


def test_a_quantised_one_is_not_quantised_again(pair: Pair) -> None:
    with pytest.raises(CheckpointError, match="is quantised already"):
        quantise(pair.int8.path, pair.root, pair.root / "twice.keras")


def plain_network() -> keras.Sequential:
    layers = keras.layers
    return sequential(
        layers.Conv2D(8, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1),
        layers.Activation("sigmoid"),
    )


def functional_network() -> keras.Model:
    entry = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(8, 3, padding="same", activation="swish")(entry)
    joined = keras.layers.Add()([maps, keras.layers.Conv2D(8, 1)(maps)])
    rows = keras.layers.Flatten()(keras.layers.MaxPooling2D(8)(joined))
    return keras.Model(entry, keras.layers.Dense(1, activation="sigmoid")(rows))


@pytest.mark.parametrize("make", [plain_network, functional_network])
def test_a_network_without_a_backbone_keeps_its_last_layer(
    pair: Pair, tmp_path: Path, make: Callable[[], keras.Model]
) -> None:
    keras.utils.set_random_seed(1)
    exact = save(tmp_path / "plain.keras", make())

    near = quantise(exact.path, pair.root, tmp_path / "q.keras")

    found = loaded(near).score_images(IMAGES) - loaded(exact).score_images(IMAGES)
    assert 0 < np.abs(found).max() < 0.05


def test_a_network_that_ends_otherwise_is_refused(pair: Pair, tmp_path: Path) -> None:
    layers = keras.layers
    network = sequential(
        layers.Conv2D(1, 3), layers.GlobalMaxPooling2D(), layers.Activation("sigmoid")
    )
    saved = save(tmp_path / "odd.keras", network)

    with pytest.raises(CheckpointError, match="neither a backbone nor a Dense layer at its end"):
        quantise(saved.path, pair.root, tmp_path / "q.keras")


def test_a_network_with_an_operation_that_is_not_listed_is_refused(
    pair: Pair, tmp_path: Path
) -> None:
    layers = keras.layers
    network = sequential(layers.UpSampling2D(), layers.Flatten(), layers.Dense(1, "sigmoid"))
    saved = save(tmp_path / "up.keras", network)

    with pytest.raises(CheckpointError, match=r"up\.keras cannot be quantised: .*the operation"):
        quantise(saved.path, pair.root, tmp_path / "q.keras")
    assert not (tmp_path / "q.keras").exists()


def with_changes(saved: Saved, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The checkpoint with other entries, and a card that describes it as it now is."""
    with zipfile.ZipFile(saved.path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    change(entries)
    path = folder / "changed.keras"
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries.items():
            new.writestr(name, data)
    ModelCard(digest=file_digest(path), decode=Decode(height=SIDE, width=SIDE)).write(path)
    return path


def xml_of(entries: dict[str, bytes]) -> str:
    (name,) = (name for name in entries if name.endswith("network.xml"))
    return name


def another_operation(entries: dict[str, bytes]) -> None:
    name = xml_of(entries)
    entries[name] = entries[name].replace(b'type="ReLU"', b'type="Proposal"')


def a_third_file(entries: dict[str, bytes]) -> None:
    entries[xml_of(entries).replace("network.xml", "more.so")] = b"x"


def no_weights(entries: dict[str, bytes]) -> None:
    del entries[xml_of(entries).replace(".xml", ".bin")]


def longer_weights(entries: dict[str, bytes]) -> None:
    entries[xml_of(entries).replace(".xml", ".bin")] += bytes(4)


def a_file_elsewhere(entries: dict[str, bytes]) -> None:
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1]["config"]["xml"] = "/tmp/network.xml"
    entries["config.json"] = json.dumps(config).encode()


def no_shape(entries: dict[str, bytes]) -> None:
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1]["config"]["shape"] = [-8]
    entries["config.json"] = json.dumps(config).encode()


HOSTILE = {
    "another operation": (another_operation, "the operation Proposal"),
    "a third file": (a_third_file, "holds more.so, network.bin, network.xml, where"),
    "no weights": (no_weights, "holds network.xml, where"),
    "longer weights": (longer_weights, "of which its layers name"),
    "a file elsewhere": (a_file_elsewhere, "names more than the shape of its features"),
    "no shape": (no_shape, "has no shape of features"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_quantised_checkpoint_is_refused(pair: Pair, tmp_path: Path, what: str) -> None:
    change, reason = HOSTILE[what]

    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(with_changes(pair.int8, tmp_path, change))

    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def other_sizes(entries: dict[str, bytes]) -> None:
    """Features of another width than the layer says, which only OpenVINO sees."""
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1]["config"]["shape"] = [8, 1]
    entries["config.json"] = json.dumps(config).encode()


def cut_apart(entries: dict[str, bytes]) -> None:
    """A layer without an input."""
    name = xml_of(entries)
    first = entries[name].index(b"<edge ")
    entries[name] = entries[name].replace(entries[name][first:].split(b"/>")[0] + b"/>", b"", 1)


@pytest.mark.parametrize("change", [other_sizes, cut_apart])
def test_a_network_that_openvino_refuses_gives_one_sentence(
    pair: Pair, tmp_path: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    path = with_changes(pair.int8, tmp_path, change)

    with pytest.raises(CheckpointError) as caught:
        loaded(Saved(path, file_digest(path)))

    assert "\n" not in caught.value.message
