"""Int8 checkpoints in one process: what they are, and what their scores depend on."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino
import pytest
from networks import (
    SIDE,
    Saved,
    classes_checkpoint,
    hub_checkpoint,
    save,
    save_module,
    sequential,
)
from processes import PROJECT
from quantised import drawn_images, quantise

from base.cores import threads
from base.runtime import keras, tf
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


def test_an_image_that_openvino_leaves_out_has_no_score(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(pair.int8)
    expected = model.score_images(IMAGES[:6])  # what memory holds afterwards
    set_callback = openvino.AsyncInferQueue.set_callback

    def forgetful(queue: Any, take: Callable[[Any, int], None]) -> None:
        set_callback(queue, lambda request, at: None if at == 1 else take(request, at))

    monkeypatch.setattr(openvino.AsyncInferQueue, "set_callback", forgetful)

    found = model.score_images(IMAGES[:6])

    left_out = np.isnan(found)
    assert left_out.sum() == 1  # the second of the two that are left of the fours
    np.testing.assert_array_equal(found[~left_out], expected[~left_out])


def test_after_an_error_of_openvino_it_goes_on(pair: Pair) -> None:
    """As often as there are requests, each of which an error takes from the queue."""
    graph = loaded(pair.int8).backbone.graph
    expected = graph(IMAGES)

    for _ in range(threads() + 1):
        with pytest.raises(RuntimeError):
            graph(IMAGES[:, :5])

    np.testing.assert_array_equal(graph(IMAGES), expected)


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


def test_scoring_needs_openvino_alone(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = loaded(pair.int8).score_images(IMAGES)
    monkeypatch.setitem(sys.modules, "nncf", None)

    np.testing.assert_array_equal(loaded(pair.int8).score_images(IMAGES), expected)
    with pytest.raises(
        CheckpointError, match=r"needs OpenVINO and NNCF: pip install 'dermscore\[openvino\]'$"
    ):
        quantise(pair.float32.path, pair.root, pair.root / "none.keras")


def test_a_broken_library_is_told_with_its_reason(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text(
        "raise ImportError('libopenvino.so:\\ncannot open shared object file')"
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(CheckpointError) as caught:
        loaded(pair.int8)

    assert caught.value.message == (
        "a quantised checkpoint needs OpenVINO: pip install 'dermscore[openvino]' "
        "(libopenvino.so: cannot open shared object file)"
    )


def test_without_the_library_the_sentence_holds_the_command(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(
        CheckpointError, match=r"needs OpenVINO: pip install 'dermscore\[openvino\]'$"
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


def resizing_network() -> keras.Sequential:
    layers = keras.layers
    return sequential(
        layers.Conv2D(4, 3, strides=2),
        layers.UpSampling2D(interpolation="bilinear"),
        layers.Conv2D(8, 3, activation="relu"),
        layers.UpSampling2D(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(1, activation="sigmoid"),
    )


@pytest.mark.parametrize("make", [plain_network, functional_network, resizing_network])
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
    network = sequential(
        layers.Conv2D(2, 3, activation="softsign"), layers.Flatten(), layers.Dense(1, "sigmoid")
    )
    saved = save(tmp_path / "odd.keras", network)

    with pytest.raises(CheckpointError, match=r"odd\.keras cannot be quantised: .*the operation"):
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


def with_its_card(saved: Saved, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Saved:
    """The same, and the card says what the checkpoint's own says."""
    path = with_changes(saved, folder, change)
    card = ModelCard.read(saved.path).model_copy(update={"digest": file_digest(path)})
    card.write(path)
    return Saved(path, card.digest)


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


class Turned(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Gathers the channels of an image the other way round."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.nn.softmax(tf.reduce_mean(tf.gather(images, [2, 0, 1], axis=3), [1, 2]))


class Constant(NamedTuple):
    """Where a network's file of weights holds the numbers that a layer takes."""

    name: str
    start: int
    numbers: npt.NDArray[Any]


def constant_of(entries: dict[str, bytes], kind: str, port: int) -> Constant:
    """The constant that the first layer of this kind takes at this port."""
    net = ET.fromstring(entries[xml_of(entries)])
    layers = {layer.get("id"): layer for layer in net.iter("layer")}
    taking = next(at for at, layer in layers.items() if layer.get("type") == kind)
    (edge,) = (
        edge
        for edge in net.iter("edge")
        if (edge.get("to-layer"), edge.get("to-port")) == (taking, str(port))
    )
    data = layers[edge.get("from-layer")].find("data")
    assert data is not None
    told = data.attrib
    start, size = int(told["offset"]), int(told["size"])
    name = xml_of(entries).replace(".xml", ".bin")
    dtype = {"i64": "<i8", "i32": "<i4", "f32": "<f4", "i8": "<i1"}[told["element_type"]]
    return Constant(name, start, np.frombuffer(entries[name][start : start + size], dtype).copy())


def change_constant(kind: str, port: int, by: int) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        found = constant_of(entries, kind, port)
        changed = (found.numbers * by).tobytes()
        before = entries[found.name]
        entries[found.name] = before[: found.start] + changed + before[found.start + len(changed) :]

    return change


@pytest.fixture(scope="module")
def sized(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saved]:
    """Quantised networks that resize or gather."""
    folder = tmp_path_factory.mktemp("sized")
    exact = {
        "Interpolate": save(folder / "resizes.keras", resizing_network()),
        "Gather": classes_checkpoint(folder, module=Turned()),
    }
    return {
        kind: quantise(saved.path, pair.root, folder / f"{kind}.keras")
        for kind, saved in exact.items()
    }


def test_what_gathers_gives_the_scores_of_float32(sized: dict[str, Saved]) -> None:
    colours = np.zeros((3, SIDE, SIDE, 3), np.float32)
    for channel in range(3):
        colours[channel, :, :, channel] = 1

    scores = loaded(sized["Gather"]).score_images(colours)

    # The first class is red and gets blue's share: 1 of the softmax of (1, 0, 0) and twice 0.
    blue, other = np.e / (np.e + 2), 1 / (np.e + 2)
    np.testing.assert_allclose(scores, [other, other, blue], atol=0.01)


@pytest.mark.parametrize(
    ("kind", "port", "by", "reason"),
    [
        ("Gather", 1, 10**6, "gathers what lies outside of a tensor"),
        ("Gather", 2, 10**6, "quantised network"),
        ("Interpolate", 1, 10**5, "quantised network"),
    ],
)
def test_hostile_numbers_of_a_layer_are_refused(
    sized: dict[str, Saved], tmp_path: Path, kind: str, port: int, by: int, reason: str
) -> None:
    changed = with_its_card(sized[kind], tmp_path, change_constant(kind, port, by))

    with pytest.raises(CheckpointError) as caught:
        loaded(changed)

    assert reason in caught.value.message
    assert "\n" not in caught.value.message


def test_features_of_changed_weights_are_shared_with_no_other(pair: Pair, tmp_path: Path) -> None:
    """Their digest is not the one that the card names, so nothing is kept under that."""
    changed = with_its_card(pair.int8, tmp_path, change_constant("Convert", 0, -1))

    assert loaded(pair.int8).backbone.key is not None
    assert loaded(changed).backbone.key is None


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
