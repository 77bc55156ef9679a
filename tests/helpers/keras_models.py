"""Small Keras models of every kind that people save, and what is to be said of each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from networks import FEATURES, SIDE, head, save_module

from base.runtime import keras, tf
from model.hub.hub_module import HubModule

layers = keras.layers


class Kind(NamedTuple):
    """A model; `refusal` are words of the sentence that refuses it, empty where none does."""

    make: Callable[[], Any]
    refusal: str = ""
    promised: bool = False


@keras.saving.register_keras_serializable("elsewhere")
class Registered(keras.layers.Layer):  # type: ignore[misc] # keras has no types
    """A layer that its maker registered, in a program that is not here."""

    def call(self, rows: Any) -> Any:
        return rows


class Unregistered(Registered):
    """One that nobody registered."""


class Subclass(keras.Model):  # type: ignore[misc] # keras has no types
    """A model that is a class of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.flat, self.unit = layers.Flatten(), sigmoid()

    def call(self, images: Any) -> Any:
        return self.unit(self.flat(images))


def own_activation(rows: Any) -> Any:
    return tf.sigmoid(rows)


def sigmoid(units: int = 1) -> Any:
    return layers.Dense(units, activation="sigmoid")


def image(side: int = SIDE, channels: int = 3, **options: Any) -> Any:
    return keras.Input((side, side, channels), **options)


def ending(*ends: Any, begin: Any = None) -> Any:
    """A Sequential model of flattened pixels."""
    return keras.Sequential([image() if begin is None else begin, layers.Flatten(), *ends])


def graph(end: Callable[[Any], Any], begin: Any = None) -> Any:
    """A functional model of pooled pixels."""
    begin = image() if begin is None else begin
    return keras.Model(begin, end(layers.GlobalAveragePooling2D()(begin)))


def unbuilt() -> Any:
    return keras.Sequential([layers.Flatten(), sigmoid()])


def subclassed() -> Any:
    made = Subclass()
    made(tf.zeros((1, SIDE, SIDE, 3)))
    return made


def nested_head() -> Any:
    begin = image()
    return keras.Model(begin, ending(sigmoid())(begin))


def twice_nested_activation() -> Any:
    """The sigmoid is a model's in a model, behind a unit without one."""
    inner = keras.Sequential([keras.Input((1,)), layers.Activation("sigmoid")])
    return ending(layers.Dense(1), keras.Sequential([keras.Input((1,)), inner]))


def nested_logits() -> Any:
    return keras.Sequential([image(), ending(layers.Dense(1))])


def nested_backbone() -> Any:
    begin = image()
    pooled = keras.Model(begin, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(begin)))
    return keras.Sequential([pooled, layers.Dropout(0.5), sigmoid()])


def application() -> Any:
    options = {"include_top": False, "weights": None, "pooling": "avg"}
    network = keras.applications.MobileNetV2(input_shape=(SIDE, SIDE, 3), alpha=0.35, **options)
    return keras.Sequential([image(), layers.Rescaling(2.0, offset=-1.0), network, sigmoid()])


def mean_of_sigmoids(rows: Any) -> Any:
    return layers.Average()([sigmoid()(rows), sigmoid()(rows)])


def two_inputs() -> Any:
    first, second = image(), keras.Input((2,))
    together = layers.Concatenate()([layers.Flatten()(first), second])
    return keras.Model([first, second], sigmoid()(together))


def convolved(*ends: Any) -> Any:
    return keras.Sequential([image(), layers.Conv2D(1, 3), *ends])


def scan_of_own_names() -> Any:
    """Names that stand in a config where a class or an activation might."""
    return ending(layers.Dense(4, name="Lambda"), sigmoid(), begin=image(name="activation"))


KINDS: dict[str, Kind] = {
    "a sigmoid unit": Kind(lambda: ending(sigmoid())),
    "an activation of its own": Kind(lambda: ending(layers.Dense(1), layers.Activation("sigmoid"))),
    "an operation for an activation": Kind(
        lambda: graph(lambda x: keras.ops.sigmoid(layers.Dense(1)(x)))
    ),
    "a function for an activation": Kind(
        lambda: ending(layers.Dense(1, activation=keras.activations.sigmoid))
    ),
    "a hard sigmoid": Kind(lambda: ending(layers.Dense(1, activation="hard_sigmoid"))),
    "layers that change nothing behind": Kind(
        lambda: ending(sigmoid(), layers.Dropout(0.1), layers.Reshape((1,)), layers.Identity())
    ),
    "a linear activation behind": Kind(lambda: ending(sigmoid(), layers.Activation("linear"))),
    "float32 behind half precision": Kind(
        lambda: ending(
            layers.Dense(4, activation="swish", dtype="mixed_float16"),
            layers.Dense(1, dtype="mixed_float16"),
            layers.Activation("sigmoid", dtype="float32"),
        )
    ),
    "a nested head": Kind(nested_head),
    "a sigmoid in a model in a model": Kind(twice_nested_activation),
    "a nested backbone": Kind(nested_backbone),
    "a network of keras.applications": Kind(application),
    "pooled sigmoids": Kind(
        lambda: convolved(layers.GlobalMaxPooling2D(), layers.Activation("sigmoid"))
    ),
    "a graph with two ways": Kind(
        lambda: graph(lambda x: sigmoid()(layers.Add()([layers.Dense(3)(x), x])))
    ),
    "names like classes": Kind(scan_of_own_names),
    "an input by name": Kind(
        lambda: keras.Model({"pixels": (at := image())}, {"score": sigmoid()(layers.Flatten()(at))})
    ),
    "a mean of sigmoids, promised": Kind(lambda: graph(mean_of_sigmoids), promised=True),
    "a mean of sigmoids": Kind(lambda: graph(mean_of_sigmoids), "without an activation"),
    "logits": Kind(lambda: ending(layers.Dense(1)), "ends with a linear layer"),
    "logits behind half precision": Kind(
        lambda: ending(sigmoid(), layers.Dense(1, dtype="mixed_float16")),
        "ends with a linear layer",
    ),
    "nested logits": Kind(nested_logits, "ends with a linear layer"),
    "a linear unit behind a sigmoid": Kind(
        lambda: ending(sigmoid(), layers.Dense(1)), "ends with a linear layer"
    ),
    "a rectified unit": Kind(
        lambda: ending(layers.Dense(1, activation="relu")), "ends with the activation relu"
    ),
    "tanh": Kind(lambda: ending(layers.Dense(1, activation="tanh")), "the activation tanh"),
    "a softmax over one": Kind(
        lambda: ending(layers.Dense(1), layers.Softmax()),
        "softmax over one unit, which is always 1",
    ),
    "a softmax over seven": Kind(
        lambda: ending(layers.Dense(7, activation="softmax")), "(None, 32, 32, 3) to (None, 7)"
    ),
    "a softmax of its own over two": Kind(
        lambda: graph(lambda x: layers.Softmax()(layers.Dense(2)(x))), "to (None, 2)"
    ),
    "two sigmoids": Kind(lambda: ending(sigmoid(2)), "to (None, 2)"),
    "a picture of sigmoids": Kind(
        lambda: convolved(layers.Activation("sigmoid")), "to (None, None, None, 1)"
    ),
    "sigmoids of every pixel": Kind(lambda: keras.Sequential([image(), sigmoid()]), "32, 32, 1)"),
    "two inputs": Kind(two_inputs, "has 2 inputs and 1 output"),
    "two outputs": Kind(
        lambda: graph(lambda x: [sigmoid()(x), sigmoid()(x)]), "has 1 input and 2 outputs"
    ),
    "images of another size": Kind(
        lambda: ending(sigmoid(), begin=image(48)), "maps (None, 48, 48, 3) to (None, 1)"
    ),
    "grey images": Kind(lambda: ending(sigmoid(), begin=image(channels=1)), "(None, 32, 32, 1)"),
    "images of any size": Kind(
        lambda: graph(sigmoid(), begin=keras.Input((None, None, 3))), "(None, None, None, 3)"
    ),
    "images of whole numbers": Kind(
        lambda: graph(sigmoid(), begin=image(dtype="uint8")), "takes uint8"
    ),
    "never built": Kind(unbuilt, "never built"),
    "a class of its own": Kind(subclassed, "holds Subclass"),
    "a Lambda": Kind(lambda: ending(layers.Lambda(lambda x: x / 2), sigmoid()), "a Lambda"),
    "a lambda for an activation": Kind(
        lambda: ending(layers.Dense(1, activation=lambda x: tf.sigmoid(2 * x))), "a lambda"
    ),
    "an activation nobody knows": Kind(
        lambda: ending(layers.Dense(1, activation=own_activation)), "own_activation"
    ),
    "an unregistered layer": Kind(lambda: ending(Unregistered(), sigmoid()), "Unregistered"),
    "a layer registered elsewhere": Kind(
        lambda: ending(Registered(), sigmoid()), "elsewhere>Registered"
    ),
}


def hub_network(folder: Path) -> Any:
    """A TensorFlow Hub module with a head."""
    module = HubModule(FEATURES, save_module(folder))
    return keras.Sequential([image(), module, head(1)])
