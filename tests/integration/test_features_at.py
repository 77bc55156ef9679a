"""Backbones that end at inner layers: what they give, what is cut away, and how they are named."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import BLOCKS, DECODE, SIDE, InceptionBlocks, head, save

from base.arrays import Float32Array
from base.runtime import hub, keras, saved_model_pb2, tf
from model.backbones import weights_digest
from model.card import Decode, ModelCard
from model.errors import LayerError
from model.held_checkpoint import hold_checkpoint
from trainer.training.backbone import FrozenBackbone, build_backbone
from worker.scoring.loaded_model import Backbones, LoadedModel

WIDE = {"first": 4, "second": 6, "third": 5}


class Staged(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Three convolutions in a row, inside an inner call."""

    def __init__(self) -> None:
        super().__init__()
        numbers = np.random.default_rng(1)
        inputs = [3, *WIDE.values()]
        self.kernels = [
            tf.Variable(numbers.normal(size=(3, 3, given, wide)).astype(np.float32))
            for given, wide in zip(inputs, WIDE.values(), strict=False)
        ]
        self._inner = tf.function(self._features)

    def _features(self, images: Any) -> Any:
        for name, kernel in zip(WIDE, self.kernels, strict=True):
            with tf.name_scope(name):
                images = tf.nn.relu(tf.nn.conv2d(images, kernel, 2, "SAME"), name="out")
        return tf.reduce_mean(images, [1, 2])

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return self._inner(images)

    def by_hand(self, images: Float32Array, layers: int) -> Float32Array:
        maps = images
        for kernel in self.kernels[:layers]:
            maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, 2, "SAME"))
        means: Float32Array = np.mean(maps, axis=(1, 2))
        return means


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("staged") / "module"
    tf.saved_model.save(Staged(), str(folder))
    return folder


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks") / "module"
    tf.saved_model.save(InceptionBlocks(), str(folder))
    return folder


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The option of a MobileNet whose weights depend on nothing."""
    keras.utils.set_random_seed(3)
    network = keras.applications.MobileNet(
        input_shape=(SIDE, SIDE, 3), include_top=False, weights=None, pooling="avg"
    )
    path = tmp_path_factory.mktemp("mobile") / "w.weights.h5"
    network.save_weights(path)
    return f"keras:MobileNet={path}"


def images() -> Float32Array:
    return np.random.default_rng(5).random((3, SIDE, SIDE, 3), np.float32)


def features(backbone: FrozenBackbone) -> Float32Array:
    found: Float32Array = backbone.forward(images()).numpy()
    return found


def at(folder: Path, *layers: str) -> FrozenBackbone:
    return build_backbone(f"hub:{folder}", DECODE, layers)


def test_features_are_the_means_of_the_layers_in_the_order_asked(staged: Path) -> None:
    module = Staged()
    expected = np.concatenate([module.by_hand(images(), 2), module.by_hand(images(), 1)], 1)

    backbone = at(staged, "second/out", "first/out")

    np.testing.assert_allclose(features(backbone), expected, rtol=1e-6)
    assert backbone.card.features_at == ("second/out", "first/out")
    assert backbone.card.description.endswith("10 features at second/out, first/out")


def test_what_lies_behind_the_last_layer_is_cut_away(staged: Path, tmp_path: Path) -> None:
    (layer,) = at(staged, "first/out").network.layers
    layer.save_assets(str(tmp_path))
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((tmp_path / "saved_model.pb").read_bytes())
    graph, variables = (
        saved.meta_graphs[0].graph_def,
        tf.train.list_variables(str(tmp_path / "variables" / "variables")),
    )

    operations = [node.op for function in graph.library.function for node in function.node_def]
    assert operations.count("Conv2D") == 1
    assert [shape for _, shape in variables if shape] == [[3, 3, 3, WIDE["first"]]]


def test_another_cut_is_another_backbone(staged: Path) -> None:
    cuts = [(), ("first/out",), ("second/out",), ("second/out", "first/out")]
    digests = {at(staged, *layers).card.digest for layers in cuts}

    assert len(digests) == len(cuts)


def test_the_same_cut_has_the_same_digest_in_another_process(staged: Path) -> None:
    script = (
        "import sys; from model.card import Decode; "
        "from trainer.training.backbone import build_backbone as b; "
        f"print(b(sys.argv[1], Decode(height={SIDE}, width={SIDE}), ['first/out']).card.digest)"
    )
    command = [sys.executable, "-c", script, f"hub:{staged}"]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]

    assert at(staged, "second/out").card.digest != other
    assert at(staged, "first/out").card.digest == other


def test_an_inception_has_the_names_of_keras_for_its_blocks(blocks: Path) -> None:
    last, middle = at(blocks, "mixed10"), at(blocks, "mixed8", "mixed3")

    assert last.network.output_shape == (None, BLOCKS[10])
    assert middle.network.output_shape == (None, BLOCKS[8] + BLOCKS[3])
    # Each block adds 1 behind its join.
    np.testing.assert_allclose(features(middle)[:, -1] - features(middle)[:, 0], -5, rtol=1e-5)


@pytest.mark.parametrize("layer", ["mixed11", "nowhere", ""])
def test_a_wrong_layer_of_a_module_is_refused_with_those_there_are(
    blocks: Path, layer: str
) -> None:
    with pytest.raises(LayerError) as caught:
        at(blocks, "mixed3", layer)

    assert f"--features-at {layer}: " in caught.value.message
    assert "it has mixed0, mixed1, " in caught.value.message


@pytest.mark.parametrize("layer", ["Mean", "out"], ids=["without maps", "of three"])
def test_what_is_no_single_layer_is_refused_with_those_there_are(staged: Path, layer: str) -> None:
    with pytest.raises(LayerError, match=r"it has first/out, second/out, third/out$"):
        at(staged, layer)


def test_a_network_of_keras_ends_at_its_layers(mobile: str) -> None:
    layers = "conv_pw_3_relu", "conv_pw_1_relu"
    whole, cut = build_backbone(mobile, DECODE), build_backbone(mobile, DECODE, layers)
    inner = whole.network.layers[-1]
    maps = keras.Model(inner.inputs, [inner.get_layer(name).output for name in layers])
    expected = [np.mean(one, axis=(1, 2)) for one in maps(images() * 2 - 1)]

    np.testing.assert_allclose(features(cut), np.concatenate(expected, 1), rtol=1e-5)
    names = [layer.name for layer in cut.network.layers[-1].layers]
    assert "conv_pw_3_relu" in names
    assert "conv_dw_4" not in names
    assert (
        whole.card.digest != cut.card.digest == weights_digest(cut.network.layers[-1], "MobileNet")
    )


@pytest.mark.parametrize("layer", ["conv_pw_14_relu", "global_average_pooling2d"])
def test_a_wrong_layer_of_keras_is_refused_with_those_there_are(mobile: str, layer: str) -> None:
    with pytest.raises(LayerError, match=r"it has conv1_relu, .*conv_pw_13_relu"):
        build_backbone(mobile, DECODE, [layer])


def test_a_small_network_has_no_layers() -> None:
    with pytest.raises(LayerError, match="--features-at mixed6"):
        build_backbone("small", DECODE, ["mixed6"])


@pytest.mark.parametrize("kind", ["hub", "keras"])
def test_a_worker_scores_and_keeps_features_of_such_a_checkpoint(
    tmp_path: Path, staged: Path, mobile: str, kind: str
) -> None:
    option, layer = {"hub": (f"hub:{staged}", "first/out"), "keras": (mobile, "conv_pw_1_relu")}[
        kind
    ]
    backbone = build_backbone(option, DECODE, [layer])
    width = backbone.network.output_shape[-1]
    unit = head(1, width)
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *backbone.network.layers, unit])
    saved = save(tmp_path / "cut.keras", network, backbone.card)

    with ExitStack() as holding:
        loaded = LoadedModel(
            holding.enter_context(hold_checkpoint(saved.path)), "float32", Backbones()
        )

    np.testing.assert_allclose(loaded.backbone.graph(images()), features(backbone), rtol=1e-5)
    assert loaded.backbone.key is not None
    assert loaded.backbone.key.backbone == backbone.card.digest
    assert loaded.backbone.key.shape == (width,)
    assert ModelCard.read(saved.path).backbone == backbone.card


def test_the_tutorials_module_gives_what_its_own_layers_give(shared: Path) -> None:
    folder = shared / "models" / "inception_v3_feature_vector"
    pixels = np.random.default_rng(0).random((2, 299, 299, 3), np.float32)
    last = build_backbone(f"hub:{folder}", Decode(), ["mixed10"])

    expected = hub.load(str(folder))(tf.constant(pixels)).numpy()
    np.testing.assert_allclose(last.forward(pixels).numpy(), expected, rtol=1e-4, atol=1e-5)
