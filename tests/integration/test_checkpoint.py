import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from base.runtime import keras, tf
from model.card import Decode, ModelCard, card_path, file_digest, read_checkpoint_card
from model.checkpoint import load_checkpoint, save_checkpoint
from model.errors import CheckpointError
from model.hub.hub_module import HubModule, feature_count, module_digest
from model.hub.served_module import ServedModule
from model.keras_names import HUB_MODULE

CARD: dict[str, Any] = {"decode": Decode()}
RELOAD = """
import sys, numpy as np
from pathlib import Path
from model.checkpoint import load_checkpoint
network, _ = load_checkpoint(Path(sys.argv[1]))
np.save(sys.argv[3], network(np.load(sys.argv[2]), training=False).numpy())
"""


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).random((2, 299, 299, 3), np.float32)


@pytest.fixture(scope="module")
def plain() -> Any:
    """A tiny network of Keras's own layers."""
    return network(keras.layers.AveragePooling2D(64), keras.layers.Flatten())


@pytest.fixture(scope="module")
def saved(plain: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "benign-vs-malignant_64_rmsprop_0.454.keras"
    save_checkpoint(plain, path, CARD)
    return path


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A checkpoint of one's own, to break."""
    shutil.copy(card_path(saved), tmp_path)
    return Path(shutil.copy(saved, tmp_path))


class Features(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Five features that depend on weights and on the image; twice as large in training."""

    def __init__(self) -> None:
        super().__init__()
        weights = np.random.default_rng(1).random((3, 5), np.float32)
        self.weights = tf.Variable(weights)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3]), tf.TensorSpec([], tf.bool)])
    def __call__(self, images: Any, training: Any = False) -> Any:
        features = tf.reduce_mean(images, [1, 2]) @ self.weights
        return tf.where(training, 2 * features, features)


class InferenceFeatures(Features):
    """The same without the argument."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.reduce_mean(images, [1, 2]) @ self.weights


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The folder of a module such as TensorFlow Hub gives."""
    tf.saved_model.save(Features(), str(tmp_path / "module"))
    return tmp_path / "module"


def network(*layers: Any) -> Any:
    last = keras.layers.Dense(1, activation="sigmoid")
    return keras.Sequential([keras.Input((299, 299, 3)), *layers, last])


def scores(model: Any, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = model(images, training=False).numpy()
    return found


def describe_anew(path: Path) -> None:
    """Make the card match the file as it now is."""
    ModelCard(digest=file_digest(path), **CARD).write(path)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message
    assert str(path.with_suffix("")) in caught.value.message
    return caught.value.message


def test_a_checkpoint_reloads_with_equal_scores(
    plain: Any, saved: Path, images: npt.NDArray[np.float32]
) -> None:
    reloaded, card = load_checkpoint(saved)

    assert np.ptp(scores(plain, images)) > 0
    np.testing.assert_array_equal(scores(reloaded, images), scores(plain, images))
    assert card.digest == file_digest(saved)
    assert card.decode == Decode()


def test_saving_leaves_a_checkpoint_and_its_card_and_nothing_else(saved: Path) -> None:
    assert sorted(path.name for path in saved.parent.iterdir()) == [
        "benign-vs-malignant_64_rmsprop_0.454.json",
        "benign-vs-malignant_64_rmsprop_0.454.keras",
    ]


def test_the_same_network_gives_the_same_bytes(plain: Any, saved: Path, tmp_path: Path) -> None:
    _, again = save_checkpoint(plain, tmp_path / "again.keras", CARD)

    assert again.digest == file_digest(saved)


def test_a_card_is_read_as_it_was_written(copy: Path) -> None:
    card = ModelCard(
        digest="0" * 64,
        decode=Decode(dct_method="INTEGER_ACCURATE", ratio=2),
        validation={"loss": 0.454, "roc_auc": None},
    )
    card.write(copy)

    assert ModelCard.read(copy) == card
    assert json.loads(card_path(copy).read_text()) == card.as_json()


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.keras").endswith("none.keras: No such file or directory")


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".pb", ""])
def test_another_format_is_refused(copy: Path, suffix: str) -> None:
    assert "is not a .keras file" in refusal(copy.rename(copy.with_name(f"model{suffix}")))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model.keras"
    folder.mkdir()

    assert "is a folder" in refusal(folder)
    with pytest.raises(CheckpointError, match=r"model\.keras: Is a directory"):
        read_checkpoint_card(folder)


def test_a_checkpoint_without_its_card_is_refused(copy: Path) -> None:
    card_path(copy).unlink()

    assert "has no model card" in refusal(copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSON: Invalid JSON"),
        ("[]", "JSON: "),
        ("", "JSON: "),
        ("\xff", "JSON: "),
        ("{}", "digest: Field required"),
        ('{"digest": "abc", "decode": {}}', "digest: "),
        (f'{{"digest": "{"0" * 64}", "decode": {{"ratio": 3}}}}', "decode.ratio: "),
    ],
)
def test_a_card_that_is_broken_is_refused_with_the_field(
    copy: Path, text: str, reason: str
) -> None:
    card_path(copy).write_bytes(text.encode("latin-1"))

    assert f"is not a model card: {reason}" in refusal(copy)


def test_a_checkpoint_with_one_byte_more_is_refused(copy: Path) -> None:
    with copy.open("ab") as file:
        file.write(b"\0")

    assert "is not the file its model card describes" in refusal(copy)


@pytest.mark.parametrize("percent", [0, 50, 99])
def test_a_zip_cut_short_is_refused_even_where_its_card_matches(copy: Path, percent: int) -> None:
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) * percent // 100])
    describe_anew(copy)

    assert refusal(copy).endswith("is not a .keras file, or was cut short")


def test_a_zip_of_something_else_is_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/notes.txt").write_text("not a network")
    archive = shutil.make_archive(str(tmp_path / "notes"), "zip", tmp_path / "folder")
    Path(archive).replace(copy)
    describe_anew(copy)

    assert "cannot be loaded: " in refusal(copy)


def test_code_inside_a_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lambda.keras"
    layers = [keras.layers.AveragePooling2D(64), keras.layers.Flatten()]
    save_checkpoint(network(*layers, keras.layers.Lambda(lambda x: x / 2)), path, CARD)

    message = refusal(path)

    assert "cannot be loaded: " in message
    assert "lambda" in message.split("cannot be loaded: ")[1].lower()


@pytest.mark.parametrize(
    ("shape", "units", "said"),
    [
        ((299, 299, 3), 2, "(None, 299, 299, 3) to (None, 2)"),
        ((224, 224, 3), 1, "(None, 224, 224, 3) to (None, 1)"),
        ((299, 299, 1), 1, "(None, 299, 299, 1) to (None, 1)"),
    ],
)
def test_a_network_of_other_shapes_is_refused(
    tmp_path: Path, shape: tuple[int, ...], units: int, said: str
) -> None:
    path = tmp_path / "model.keras"
    pooled = [keras.layers.AveragePooling2D(64), keras.layers.Flatten()]
    other = keras.Sequential([keras.Input(shape), *pooled, keras.layers.Dense(units)])
    save_checkpoint(other, path, CARD)

    assert f"maps {said}; a checkpoint maps (None, 299, 299, 3) to (None, 1)" in refusal(path)


def test_a_network_that_was_never_built_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    save_checkpoint(keras.Sequential([keras.layers.Dense(1)]), path, CARD)

    refusal(path)


def test_a_card_holds_no_number_that_a_database_refuses() -> None:
    card = ModelCard(digest="0" * 64, decode=Decode(), validation={"roc_auc": float("nan")})

    json.dumps(card.as_json(), allow_nan=False)


def test_a_modules_features_are_counted(module: Path) -> None:
    assert feature_count(ServedModule(module, module_digest(module)), 299, 299) == 5


def test_a_checkpoint_carries_its_module_into_another_process(
    module: Path, tmp_path: Path, images: npt.NDArray[np.float32]
) -> None:
    path = tmp_path / "hub.keras"
    built = network(HubModule(5, module))
    expected = scores(built, images)
    save_checkpoint(built, path, CARD)
    shutil.rmtree(module)
    np.save(tmp_path / "images.npy", images)

    subprocess.run(
        [sys.executable, "-c", RELOAD, path, tmp_path / "images.npy", tmp_path / "scores.npy"],
        cwd=Path(__file__).parents[2],
        check=True,
    )

    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


def test_a_checkpoint_names_the_layer_as_every_release_has(module: Path, tmp_path: Path) -> None:
    # Its name is a part of the bytes: moved with the code, it would give the same training another
    # digest in each release.
    save_checkpoint(network(HubModule(5, module)), tmp_path / "hub.keras", CARD)
    with zipfile.ZipFile(tmp_path / "hub.keras") as archive:
        config = json.loads(archive.read("config.json"))
    (layer,) = (one for one in config["config"]["layers"] if one["registered_name"] == HUB_MODULE)

    assert (layer["module"], layer["class_name"]) == ("model.hub_module", "HubModule")
    assert load_checkpoint(tmp_path / "hub.keras")


def test_the_copy_of_a_module_that_may_only_be_read_can_be_written(
    module: Path, tmp_path: Path
) -> None:
    # Keras fills the copy and removes it again, as a user whom permissions hinder.
    for folder in (module, *module.rglob("*/")):
        folder.chmod(0o555)
    inside = tmp_path / "inside"

    HubModule(5, module).save_assets(str(inside))

    copied = [inside, *(path for path in inside.rglob("*") if path.is_dir())]
    assert len(copied) > 1
    assert all(folder.stat().st_mode & 0o200 for folder in copied)
    assert module_digest(inside) == module_digest(module)


def test_a_reloaded_checkpoint_can_be_saved_again(
    module: Path, tmp_path: Path, images: npt.NDArray[np.float32]
) -> None:
    built = network(HubModule(5, module))
    expected = scores(built, images)
    save_checkpoint(built, tmp_path / "1.keras", CARD)
    shutil.rmtree(module)
    for before, after in (("1", "2"), ("2", "3")):
        reloaded, _ = load_checkpoint(tmp_path / f"{before}.keras")
        save_checkpoint(reloaded, tmp_path / f"{after}.keras", CARD)
        (tmp_path / f"{before}.keras").unlink()

    again, _ = load_checkpoint(tmp_path / "3.keras")

    np.testing.assert_array_equal(scores(again, images), expected)


def test_a_module_that_knows_no_training_serves_too(
    module: Path, tmp_path: Path, images: npt.NDArray[np.float32]
) -> None:
    tf.saved_model.save(InferenceFeatures(), str(tmp_path / "inference"))

    served = HubModule(5, tmp_path / "inference")

    np.testing.assert_allclose(served(images), HubModule(5, module)(images), rtol=1e-6)


def test_a_module_is_frozen(module: Path) -> None:
    built = network(HubModule(5, module))

    assert [weight.shape for weight in built.trainable_weights] == [(5, 1), (1,)]
