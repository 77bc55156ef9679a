"""A module served from its parts computes what TensorFlow's own loader would, to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras
from hostile_modules import IMAGES, Mean
from networks import Module

from base.arrays import Float32Array
from base.runtime import hub, tf
from model.errors import CheckpointError
from model.hub.hub_module import HubModule, module_digest
from model.hub.served_module import ServedModule
from worker.scoring.graphs.frozen import FrozenGraph

SIDE = 64


class Switched(Mean):
    """Twice as large in training, which is a tensor here; a loop, a branch and a constant."""

    @tf.function(input_signature=[IMAGES, tf.TensorSpec([], tf.bool)])
    def __call__(self, images: Any, training: Any = False) -> Any:
        rows = super().__call__(images) * tf.constant([1.0, 2.0, 3.0])
        rows = tf.map_fn(tf.nn.l2_normalize, rows)
        rows = tf.cond(tf.reduce_sum(rows) > 0, lambda: rows * 3, lambda: rows)
        return tf.where(training, 2 * rows, rows)


class Captured(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Captures a constant from outside, through nested calls."""

    def __init__(self) -> None:
        super().__init__()
        kernel = tf.constant(np.random.default_rng(0).random((3, 5), np.float32))
        self._inner = tf.function(lambda rows: rows @ kernel)

    @tf.function
    def __call__(self, images: Any, training: bool = True) -> Any:
        rows = self._inner(tf.reduce_mean(images, [1, 2]))
        return tf.nn.dropout(rows, 0.5) if training else rows


def switched(folder: Path) -> None:
    tf.saved_model.save(Switched(), str(folder))


def convolution(folder: Path) -> None:
    tf.saved_model.save(Module(3), str(folder))


def captured(folder: Path) -> None:
    module = Captured()
    for training in (True, False):
        module.__call__.get_concrete_function(IMAGES, training=training)
    tf.saved_model.save(module, str(folder))


def sized(folder: Path) -> None:
    """Two functions for images of two sizes, with other features."""
    module = Captured()
    for side in (SIDE // 2, SIDE):
        spec = tf.TensorSpec([None, side, side, 3])
        module.__call__.get_concrete_function(spec, training=False)
    tf.saved_model.save(module, str(folder))


def mobile_net(folder: Path) -> None:
    """Batch normalisation, with functions for training beside those for inference."""
    tf_keras.utils.set_random_seed(1)
    options = {"weights": None, "include_top": False, "pooling": "avg", "alpha": 0.35}
    network = tf_keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), **options)
    for weight in network.weights:
        # Kernels of both signs; the rest, variances among them, of one.
        drawn = np.random.default_rng(2).normal(0, 0.3, weight.shape)
        weight.assign(drawn if len(weight.shape) == 4 else np.abs(drawn) + 0.1)
    network.save(str(folder), save_format="tf")


def swish(folder: Path) -> None:
    """An activation whose gradient is a function of its own."""
    layers = [
        tf_keras.layers.Conv2D(4, 3, activation="swish"),
        tf_keras.layers.BatchNormalization(),
        tf_keras.layers.GlobalAveragePooling2D(),
    ]
    network = tf_keras.Sequential([tf_keras.Input((SIDE, SIDE, 3)), *layers])
    network.save(str(folder), save_format="tf")


def loaded(folder: Path) -> Callable[..., Any]:
    """By TensorFlow's own loader, in what the layer was then."""
    module = hub.load(str(folder))

    def call(images: Any, training: bool = False) -> Any:
        try:
            features = module(images, training=training)
        except TypeError:
            features = module(images)
        return tf.ensure_shape(features, [None, features.shape[-1]])

    return call


def images(side: int) -> Float32Array:
    return np.random.default_rng(5).random((3, side, side, 3), np.float32)


def assert_equal(folder: Path, side: int) -> None:
    given, loader = images(side), loaded(folder)
    features = int(loader(tf.constant(given)).shape[-1])
    layer = HubModule(features, folder)

    expected = FrozenGraph([loader], (side, side, 3))(given)

    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(FrozenGraph([layer], (side, side, 3))(given), expected)
    np.testing.assert_array_equal(layer(given), loader(tf.constant(given)))


SAVED = [switched, convolution, captured, sized, mobile_net, swish]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("save", SAVED, ids=[one.__name__ for one in SAVED])
def test_it_gives_what_tensorflow_loads(tmp_path: Path, save: Callable[[Path], None]) -> None:
    save(tmp_path / "module")

    assert_equal(tmp_path / "module", SIDE)


def test_a_module_that_was_loaded_and_saved_again_gives_the_same(tmp_path: Path) -> None:
    convolution(tmp_path / "module")
    tf.saved_model.save(hub.load(str(tmp_path / "module")), str(tmp_path / "again"))

    assert_equal(tmp_path / "again", SIDE)


def test_the_tutorials_module_gives_what_tensorflow_loads(shared: Path) -> None:
    assert_equal(shared / "models" / "inception_v3_feature_vector", 299)


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    sized(tmp_path / "module")
    module = ServedModule(tmp_path / "module", module_digest(tmp_path / "module"))

    with pytest.raises(ValueError, match="takes no images of"):
        module(tf.zeros([1, 10, 10, 3]))


def test_a_module_that_could_not_be_frozen_is_refused(tmp_path: Path) -> None:
    """Batch normalisation that is switched by a tensor changes its statistics in a branch."""

    class Normalised(tf.Module):  # type: ignore[misc] # tensorflow has no types
        def __init__(self) -> None:
            super().__init__()
            self.layer = tf_keras.layers.BatchNormalization()
            self.layer.build([None, SIDE, SIDE, 3])

        @tf.function(input_signature=[IMAGES, tf.TensorSpec([], tf.bool)])
        def __call__(self, images: Any, training: Any = False) -> Any:
            return tf.reduce_mean(self.layer(images, training=training), [1, 2])

    tf.saved_model.save(Normalised(), str(tmp_path / "module"))

    with pytest.raises(CheckpointError, match="changes its variables while it computes"):
        HubModule(3, tmp_path / "module")
