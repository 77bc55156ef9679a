"""`trainer adopt`: any kind of model is scored as its owner scores it, or refused in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from owners import (
    SEVEN,
    SIDE,
    Save,
    as_h5,
    as_keras,
    as_saved_model,
    convolved,
    draw_images,
    efficient_net,
    exported,
    loud,
    pixels,
    tf_keras,
    trainer_adopt,
    tutorials,
    write_csv,
)

from base.runtime import keras
from model.card import ModelCard, file_digest

SEVEN_CLASSES = ("--classes", SEVEN, "--positive", "mel,bcc")


class Owner(NamedTuple):
    """A model as somebody has it, and what its owner says of it."""

    make: Callable[[Path], Any]
    save: Save
    says: tuple[str, ...] = ("--input-range", "unit")
    scale: float = 1 / 255


def keras_net(*ends: Any, **options: Any) -> Callable[[Path], Any]:
    return lambda _: convolved(keras, *(end() for end in ends), **options)


def sigmoid() -> Any:
    return keras.layers.Dense(1, activation="sigmoid")


def sigmoid_2() -> Any:
    return tf_keras.layers.Dense(1, activation="sigmoid")


def half() -> Any:
    return keras.layers.Dense(1, activation="sigmoid", dtype="mixed_float16")


def by_name(_: Path) -> Any:
    plain = convolved(keras, sigmoid())
    return keras.Model(plain.inputs, {"melanoma": plain.outputs[0]})


THREE = ("--classes", "a,b,c", "--positive", "c")
EFFICIENT = ("--input-range", "byte", *SEVEN_CLASSES)
OWNERS = {
    "EfficientNet, .keras of Keras 3": Owner(
        lambda _: efficient_net(keras), as_keras, EFFICIENT, 1
    ),
    "EfficientNet, .h5 of Keras 3": Owner(lambda _: efficient_net(keras), as_h5, EFFICIENT, 1),
    "EfficientNet, SavedModel of Keras 3": Owner(
        lambda _: efficient_net(keras), exported, EFFICIENT, 1
    ),
    ".keras of Keras 2": Owner(lambda _: convolved(tf_keras, sigmoid_2()), as_keras),
    ".h5 of Keras 2": Owner(lambda _: convolved(tf_keras, sigmoid_2()), as_h5),
    "EfficientNet, SavedModel of Keras 2": Owner(
        lambda _: efficient_net(tf_keras), as_saved_model, EFFICIENT, 1
    ),
    "the tutorial's .h5": Owner(lambda at: tutorials(at / "module"), as_h5),
    "the tutorial's SavedModel": Owner(lambda at: tutorials(at / "module"), as_saved_model),
    "mixed_float16": Owner(keras_net(half, dtype="mixed_float16"), as_keras),
    "mixed_float16, SavedModel": Owner(keras_net(half, dtype="mixed_float16"), exported),
    "a dictionary": Owner(by_name, as_keras),
    "images of any size": Owner(
        keras_net(sigmoid, side=None), as_keras, ("--input-range", "unit", "--size", str(SIDE))
    ),
    "logits": Owner(
        keras_net(lambda: keras.layers.Dense(3)),
        as_h5,
        ("--input-range", "unit", "--activation", "softmax", *THREE),
    ),
    "a sigmoid that is the probability of the first class": Owner(
        keras_net(sigmoid),
        as_keras,
        ("--input-range", "unit", "--classes", "nevus,melanoma", "--positive", "nevus"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("images")
    return folder, draw_images(folder)


@pytest.fixture(autouse=True)
def data_root(images: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", str(images[0]))


def probabilities(owner: Owner, network: Any, given: Any) -> Any:
    outputs = network.predict(given, verbose=0)
    rows = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
    if "softmax" in owner.says:
        rows = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    if rows.shape[1] == 1 and "--classes" in owner.says:
        return np.concatenate([1 - rows, rows], axis=1).astype(float)
    return rows.astype(float)


def said(owner: Owner, option: str) -> list[str]:
    if option not in owner.says:
        return []
    return owner.says[owner.says.index(option) + 1].split(",")


@pytest.mark.parametrize("kind", OWNERS)
def test_a_model_is_scored_as_by_its_owner(
    kind: str, images: tuple[Path, list[str]], tmp_path: Path
) -> None:
    owner, (root, names) = OWNERS[kind], images
    given = pixels(root, names) * np.float32(owner.scale)
    network = loud(owner.make(tmp_path), given)
    rows = probabilities(owner, network, given)
    classes, positive = said(owner, "--classes"), said(owner, "--positive")
    score = sum(rows[:, classes.index(name)] for name in positive) if classes else rows[:, 0]
    columns = dict(zip(classes, rows.T, strict=True)) if classes else {"score": score}
    table = write_csv(tmp_path / "predictions.csv", names, columns)
    out = tmp_path / "out.keras"

    told = trainer_adopt(owner.save(network, tmp_path), "-o", out, *owner.says, "--check", table)

    assert told.exit_code == 0, told.output
    assert np.ptp(score) > 0.05  # otherwise any model would agree
    card = ModelCard.read(out)
    assert (card.classes, card.positive) == (tuple(classes), tuple(positive))
    check = card.adopted.check if card.adopted else None
    assert check is not None
    assert (check.n, check.file, check.digest) == (len(names), table.name, file_digest(table))
    assert check.largest_difference < (2e-3 if "float16" in kind else 1e-4)
    assert f"to {check.largest_difference:.1g} on 6 images" in told.output


class Refused(NamedTuple):
    """A model, what is said of it, and words of the sentence that refuses it."""

    make: Callable[[Path], Any]
    says: str
    words: str
    save: Save = as_keras


def two_inputs(library: Any) -> Callable[[Path], Any]:
    def make(_: Path) -> Any:
        plain, age = convolved(library, library.layers.Flatten()), library.Input((1,), name="age")
        rows = library.layers.Concatenate()([plain.outputs[0], age])
        end = library.layers.Dense(1, activation="sigmoid")
        return library.Model([*plain.inputs, age], end(rows))

    return make


def dense(units: int, activation: str | None = None) -> Callable[[], Any]:
    return lambda: keras.layers.Dense(units, activation=activation)


def two_outputs(_: Path) -> Any:
    plain = convolved(keras, sigmoid())
    return keras.Model(plain.inputs, {"score": plain.outputs[0], "again": plain.outputs[0] * 1})


def only_weights(network: Any, folder: Path) -> Path:
    network.save_weights(folder / "model.weights.h5")
    return folder / "model.weights.h5"


def text(_: Any, folder: Path) -> Path:
    (folder / "model.bin").write_text("weights")
    return folder / "model.bin"


SCALED = {"before": [keras.layers.Rescaling(1 / 255)]}
REFUSED = {
    "two inputs": Refused(two_inputs(keras), "unit", "has 2 inputs (input_layer"),
    "two inputs of a SavedModel": Refused(
        two_inputs(tf_keras), "unit", "has 2 inputs (", as_saved_model
    ),
    "two outputs": Refused(two_outputs, "unit", "has 2 outputs (", as_keras),
    "several classes": Refused(
        keras_net(dense(7, "softmax")), "unit", "has 7 outputs: name them in their order"
    ),
    "another number of classes": Refused(
        keras_net(dense(7, "softmax")),
        "unit --classes a,b --positive a",
        "--classes names 2, but",
    ),
    "no size": Refused(keras_net(sigmoid, side=None), "unit", "say with --size"),
    "another size": Refused(keras_net(sigmoid), "unit --size 30x40", "takes images of 32 x 32"),
    "logits without a word": Refused(keras_net(dense(1)), "unit", "ends with a linear layer: say"),
    "logits as probabilities": Refused(
        keras_net(dense(1)), "unit --activation none", "which gives no probabilities"
    ),
    "a second sigmoid": Refused(
        keras_net(sigmoid), "unit --activation sigmoid", "ends with a sigmoid already"
    ),
    "a softmax over one": Refused(keras_net(dense(1, "softmax")), "unit", "which is always 1"),
    "sigmoids that do not add up": Refused(
        keras_net(dense(3, "sigmoid")), "unit --classes a,b,c --positive a,b", "do not add up"
    ),
    "its own scaling": Refused(keras_net(sigmoid, **SCALED), "unit", "so it takes byte"),
    "its own scaling, SavedModel": Refused(
        keras_net(sigmoid, **SCALED), "signed", "so it takes byte", exported
    ),
    "weights alone": Refused(keras_net(sigmoid), "unit", "holds weights without", only_weights),
    "another format": Refused(lambda _: None, "unit", "is neither a .keras or .h5 file", text),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_could_be_scored_wrongly_is_refused(kind: str, tmp_path: Path) -> None:
    refused = REFUSED[kind]
    source = refused.save(refused.make(tmp_path), tmp_path)
    says = ("--input-range", *refused.says.split())

    told = trainer_adopt(source, "-o", tmp_path / "out.keras", *says)

    assert told.exit_code == 1
    assert refused.words in told.output
    assert str(source) in told.output
    assert len(told.output.splitlines()) == 1
    assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ((), "byte (0 to 255, as the pixels are); unit (0 to 1, pixels / 255); signed"),
        (("--input-range", "unit", "--fit", "crop:1.5"), "is not stretch, pad, crop, or crop:F"),
        (("--input-range", "unit", "--size", "big"), "neither a side, such as 224"),
        (("--input-range", "unit", "--classes", "a,b"), "give both or neither"),
        (("--input-range", "unit", "--classes", "a,b", "--positive", "c"), "c is not among"),
        (("--input-range", "unit", "--classes", "a,b", "--positive", "a,b"), "would score 1"),
        (("--input-range", "unit", "--custom", "net.py"), "give --trust"),
        (("--input-range", "unit"), "ONNX is not read; convert it to a SavedModel"),
    ],
)  # fmt: skip
def test_what_is_said_is_checked_before_the_model_is_read(
    says: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").touch()
    told = trainer_adopt(tmp_path / "model.onnx", "-o", tmp_path / "out.keras", *says)
    assert told.exit_code != 0
    assert words in told.output


def test_another_model_under_the_same_name_says_where_it_went(tmp_path: Path) -> None:
    source = as_keras(OWNERS["a dictionary"].make(tmp_path), tmp_path)
    out = tmp_path / "out.keras"
    first, other = (
        trainer_adopt(source, "-o", out, "--input-range", of).output.splitlines()[0]
        for of in ("unit", "signed")
    )
    assert first == str(out)
    second = tmp_path / "out-2.keras"
    assert other == f"{second} (and not {out}, which is another checkpoint and stays)"


@pytest.mark.parametrize("name", ["model.pt", "model.pth"])
def test_a_model_of_pytorch_is_told_the_way(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    told = trainer_adopt(tmp_path / name, "-o", tmp_path / "out.keras", "--input-range", "unit")
    assert told.exit_code == 1
    assert f"{name}: PyTorch is not read; export it to ONNX" in told.output
