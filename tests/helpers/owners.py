"""Small classifiers as their owners have them: made, saved and asked by plain Keras or tf_keras."""

import csv
import importlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras
from click.testing import CliRunner, Result
from networks import Module
from PIL import Image

import trainer.cli
from base.runtime import hub, keras, tf

SIDE = 32
SEVEN = "akiec,bcc,bkl,df,mel,nv,vasc"

Array = npt.NDArray[np.float64]
# As owners write them, of pixels in [0, 255].
OWNERS_RANGES: dict[str, Callable[[Any], Any]] = {
    "byte": lambda given: given,
    "unit": lambda given: given / 255,
    "signed": lambda given: given / 127.5 - 1,
    "imagenet": lambda given: keras.applications.imagenet_utils.preprocess_input(
        given.copy(), mode="torch"
    ),
    "caffe": lambda given: keras.applications.imagenet_utils.preprocess_input(
        given.copy(), mode="caffe"
    ),
}


def draw_images(folder: Path, count: int = 6) -> list[str]:
    """PNG files of smooth colours; their names."""
    random = np.random.default_rng(3)
    names = [f"lesion_{number}.png" for number in range(count)]
    for name in names:
        coarse = random.integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(coarse).resize((60, 48), Image.Resampling.BICUBIC).save(folder / name)
    return names


def pixels(
    folder: Path, names: Sequence[str], size: tuple[int, int] = (SIDE, SIDE), **resize: Any
) -> npt.NDArray[np.float32]:
    """The images in [0, 255] as owners read them, by TensorFlow alone."""
    read = [tf.io.decode_image(tf.io.read_file(str(folder / name)), 3, expand_animations=False)
            for name in names]  # fmt: skip
    return np.stack([tf.image.resize(image, size, **resize).numpy() for image in read])


def write_csv(path: Path, names: Sequence[str], columns: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *columns])
        writer.writerows(zip(names, *(map(float, one) for one in columns.values()), strict=True))
    return path


def trainer_adopt(*words: object) -> Result:
    """Run `trainer adopt` in this process."""
    return CliRunner().invoke(trainer.cli.main, ["adopt", *map(str, words)])


def loud(network: Any, given: Any) -> Any:
    """The network with a last layer that tells these images apart, whatever is below it."""
    library = tf_keras if isinstance(network, tf_keras.Model) else keras
    last = network.layers[-1]
    rows = library.Model(network.inputs, last.input).predict(given, verbose=0).astype(np.float64)
    kernel = np.random.default_rng(5).normal(size=last.get_weights()[0].shape)
    kernel *= 2 / ((rows - rows.mean(axis=0)) @ kernel).std(axis=0)
    last.set_weights([kernel, -(rows @ kernel).mean(axis=0)])
    return network


def spread(network: Any) -> Any:
    """The network with kernels that let a signal through, for small ones would fade."""
    random = np.random.default_rng(4)
    for weight in network.weights:
        shape = tuple(weight.shape)
        if len(shape) == 4:
            inputs = np.prod(shape[: 2 if shape[3] == 1 else 3])  # of a depthwise kernel, too
            weight.assign(random.normal(0, 1.6 / np.sqrt(inputs), shape))
    return network


@cache
def efficient_net(library: Any) -> Any:
    """An EfficientNet of seven classes with all its kinds of layers, but narrow and flat."""
    # The families' common function is not public.
    source = importlib.import_module(f"{library.__name__}.src.applications.efficientnet")
    shape = (SIDE, SIDE, 3)
    return spread(
        source.EfficientNet(0.1, 0.1, default_size=SIDE, weights=None, classes=7, input_shape=shape)
    )


def convolved(
    library: Any, *ends: Any, side: int | None = SIDE, before: Sequence[Any] = (), **options: Any
) -> Any:
    """A few filters, their means, and the given end."""
    layers = library.layers
    return library.Sequential(
        [
            library.Input((side, side, 3)),
            *before,
            layers.Conv2D(4, 3, **{"activation": "relu", **options}),
            layers.GlobalAveragePooling2D(),
            *ends,
        ]
    )


def tutorials(module: Path) -> Any:
    """The tutorial's network: a module of TensorFlow Hub, and a sigmoid unit."""
    tf.saved_model.save(Module(0), str(module))
    layers = [
        hub.KerasLayer(str(module), output_shape=[8], trainable=False),
        tf_keras.layers.Dense(1, activation="sigmoid"),
    ]
    network = tf_keras.Sequential(layers)
    network.build([None, SIDE, SIDE, 3])
    return network


Save = Callable[[Any, Path], Path]


def as_keras(network: Any, folder: Path) -> Path:
    network.save(folder / "model.keras")
    return folder / "model.keras"


def as_h5(network: Any, folder: Path) -> Path:
    network.save(folder / "model.h5")
    return folder / "model.h5"


def exported(network: Any, folder: Path) -> Path:
    """Keras 3's SavedModel."""
    network.export(folder / "model", verbose=False)
    return folder / "model"


def as_saved_model(network: Any, folder: Path) -> Path:
    """The SavedModel of TensorFlow up to 2.15."""
    network.save(folder / "model", save_format="tf")
    return folder / "model"


__all__ = [
    "OWNERS_RANGES",
    "SEVEN", "SIDE", "Array", "as_h5", "as_keras", "as_saved_model", "convolved", "draw_images",
    "efficient_net", "exported", "keras", "loud", "pixels", "tf_keras", "trainer_adopt",
    "tutorials", "write_csv",
]  # fmt: skip
