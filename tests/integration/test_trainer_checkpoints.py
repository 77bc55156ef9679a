"""What a checkpoint carries into another process, and what it must not: a module is a program."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hostile_modules import put_into_checkpoint

from base.runtime import keras, tf
from model.card import Decode
from model.checkpoint import load_checkpoint, save_checkpoint
from model.errors import CheckpointError
from model.hub.graph_safety import read_safe_module
from model.hub.hub_module import HubModule
from trainer.training.backbone import FrozenBackbone, build_backbone

Floats = npt.NDArray[np.float32]
# `[n, height, width, 3]` to three features, with something else on the way.
Body = Callable[[Any], Any]

CARD: dict[str, Any] = {"decode": Decode()}
IMAGES = tf.TensorSpec([None, None, None, 3])
RELOAD = """
import json, sys, numpy as np
from pathlib import Path
from model.checkpoint import load_checkpoint
images = np.load(sys.argv[1])
networks = [load_checkpoint(Path(path))[0] for path in sys.argv[2:]]
print(json.dumps([network(images, training=False).numpy()[:, 0].tolist() for network in networks]))
"""


class Doing(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """A module whose call does what it is told, and which holds what it is given."""

    def __init__(self, body: Body, held: Any = None) -> None:
        super().__init__()
        self._body = body
        self.held = held

    @tf.function(input_signature=[IMAGES])
    def __call__(self, images: Any) -> Any:
        return tf.ensure_shape(self._body(tf.reduce_mean(images, [1, 2])), [None, 3])


class Initialised(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc] # no types
    """A resource, such as a lookup table, whose initializer runs while the module is loaded."""

    def __init__(self, body: Callable[[], Any]) -> None:
        super().__init__()
        self._body = body

    def _create_resource(self) -> Any:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="held")

    def _initialize(self) -> None:
        self._body()


def network(*layers: Any) -> Any:
    keras.utils.set_random_seed(7)
    unit = keras.layers.Dense(1, activation="sigmoid")
    return keras.Sequential([keras.Input((299, 299, 3)), *layers, unit])


def checkpoint_with(folder: Path, module: tf.Module) -> Path:
    """A checkpoint that carries the module; whatever saving it wrote in `marks` is gone."""
    tf.saved_model.save(module, str(folder / "module"))
    return checkpoint_of(folder)


def checkpoint_of(folder: Path) -> Path:
    path = put_into_checkpoint(folder)
    shutil.rmtree(folder / "module")
    for mark in folder.glob("mark*"):
        shutil.rmtree(mark) if mark.is_dir() else mark.unlink()
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in caught.value.message
    return caught.value.message


def written(folder: Path) -> list[Path]:
    return list(folder.glob("mark*"))


def after(effect: Any, features: Any) -> Any:
    with tf.control_dependencies([effect]):
        return tf.identity(features)


def writing(folder: Path) -> Body:
    def body(features: Any) -> Any:
        file = str(folder / "mark")
        return after(tf.raw_ops.WriteFile(filename=file, contents="written"), features)

    return body


def reading(folder: Path) -> Body:
    (folder / "secret").write_text("secret")

    def body(features: Any) -> Any:
        content = tf.io.read_file(str(folder / "secret"))
        return features + tf.cast(tf.strings.length(content), tf.float32)

    return body


def calling_python(folder: Path) -> Body:
    def touch(features: Any) -> Any:
        (folder / "mark").touch()
        return features

    return lambda features: tf.py_function(touch, [features], tf.float32)


def calling_stateless_python(folder: Path) -> Body:
    def touch(features: Any) -> Any:
        (folder / "mark").touch()
        return features

    return lambda features: tf.numpy_function(touch, [features], tf.float32, stateful=False)


def debugging(folder: Path) -> Body:
    """TensorFlow's debugger writes what passes by into a folder, or sends it to an address."""

    def body(features: Any) -> Any:
        return tf.raw_ops.DebugIdentity(
            input=features, device_name="", tensor_name="features:0",
            debug_urls=[f"file://{folder / 'mark'}"], gated_grpc=False,
        )  # fmt: skip

    return body


def in_another_function(folder: Path) -> Body:
    inner = tf.function(writing(folder))
    outer = tf.function(lambda features: 2 * inner(features))
    return lambda features: outer(features) + 1


def in_a_branch(folder: Path) -> Body:
    write = writing(folder)
    return lambda features: tf.cond(
        tf.reduce_sum(features) > 0, lambda: write(features), lambda: features
    )


def in_a_loop(folder: Path) -> Body:
    write = writing(folder)
    return lambda features: tf.while_loop(
        lambda at, _: at < 1, lambda at, found: (at + 1, write(found)), [0, features]
    )[1]


def cached_dataset(folder: Path) -> Body:
    def body(features: Any) -> Any:
        cached = tf.data.Dataset.from_tensors(features).cache(str(folder / "mark"))
        return cached.reduce(features, lambda _, new: new)

    return body


def decoding(_folder: Path) -> Body:
    """Has no effect that TensorFlow knows of; but a parser of bytes has no place in a network."""
    return lambda features: features + tf.reduce_sum(tf.io.decode_raw("abcd", tf.float32))


UNSAFE: dict[str, tuple[Callable[[Path], Body], str]] = {
    "writes a file": (writing, "WriteFile"),
    "reads a file": (reading, "ReadFile"),
    "calls Python": (calling_python, "EagerPyFunc"),
    "calls Python without state": (calling_stateless_python, "PyFuncStateless"),
    "writes for a debugger": (debugging, "DebugIdentity"),
    "through another function": (in_another_function, "WriteFile"),
    "in a branch": (in_a_branch, "WriteFile"),
    "in a loop": (in_a_loop, "WriteFile"),
    "through a dataset": (cached_dataset, "Dataset"),
    "parses bytes": (decoding, "DecodeRaw"),
}


@pytest.mark.parametrize("what", UNSAFE)
def test_a_module_that_does_more_than_compute_is_refused(tmp_path: Path, what: str) -> None:
    make, operation = UNSAFE[what]
    path = checkpoint_with(tmp_path, Doing(make(tmp_path)))

    message = refusal(path)

    assert operation in message
    assert "module holds the operation" in message
    assert written(tmp_path) == []


def test_an_initializer_that_does_more_is_refused_before_it_runs(tmp_path: Path) -> None:
    def write() -> None:
        tf.raw_ops.WriteFile(filename=str(tmp_path / "mark"), contents="written")

    path = checkpoint_with(tmp_path, Doing(lambda features: features, Initialised(write)))

    assert "WriteFile" in refusal(path)
    assert written(tmp_path) == []


def test_a_table_read_from_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("one\ntwo\n")
    line = tf.lookup.TextFileIndex
    rows = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, line.WHOLE_LINE, tf.int64, line.LINE_NUMBER
    )
    table = tf.lookup.StaticHashTable(rows, -1)

    def body(features: Any) -> Any:
        return features + tf.cast(table.lookup(tf.constant("two")), tf.float32)

    assert "Table" in refusal(checkpoint_with(tmp_path, Doing(body, table)))


def version_1(folder: Path) -> None:
    """A module in TensorFlow 1's form, whose main operation runs while it is loaded."""
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        images = v1.placeholder(tf.float32, [None, None, None, 3])
        signature = v1.saved_model.predict_signature_def(
            {"images": images}, {"features": tf.reduce_mean(images, [1, 2])}
        )
        write = tf.raw_ops.WriteFile(filename=str(folder / "mark"), contents="written")
        builder = v1.saved_model.Builder(str(folder / "other"))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=write
        )
        builder.save()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_of_tensorflow_1_is_refused_before_its_main_operation_runs(
    tmp_path: Path,
) -> None:
    """It holds no functions that could be searched: all of it is one graph."""
    version_1(tmp_path)
    tf.saved_model.save(Doing(lambda features: features), str(tmp_path / "module"))
    built = network(HubModule(3, tmp_path / "module"))
    shutil.rmtree(tmp_path / "module")
    (tmp_path / "other").rename(tmp_path / "module")
    path, _ = save_checkpoint(built, tmp_path / "c.keras", CARD)

    refusal(path)

    assert written(tmp_path) == []


def test_a_module_that_no_worker_would_load_is_refused_before_it_is_trained_on(
    tmp_path: Path,
) -> None:
    tf.saved_model.save(Doing(writing(tmp_path)), str(tmp_path / "module"))

    with pytest.raises(CheckpointError, match="WriteFile"):
        build_backbone(f"hub:{tmp_path / 'module'}", Decode())

    assert written(tmp_path) == []


@pytest.mark.parametrize("family", ["EfficientNetB0", "MobileNetV3Small"])
def test_what_keras_exports_of_its_families_only_computes(tmp_path: Path, family: str) -> None:
    build = getattr(keras.applications, family)
    built = build(weights=None, include_top=False, pooling="avg", input_shape=(64, 64, 3))
    built.export(tmp_path / "module", verbose=False)

    read_safe_module(tmp_path / "module")


def test_the_tutorials_module_only_computes(shared: Path) -> None:
    read_safe_module(shared / "models" / "inception_v3_feature_vector")


def test_a_harmless_module_loads(tmp_path: Path) -> None:
    """Branches, loops, random numbers, assertions and variables only compute."""
    weights = tf.Variable(np.eye(3, dtype=np.float32))

    def body(features: Any) -> Any:
        tf.debugging.assert_non_negative(features)
        folded = tf.map_fn(lambda row: 2 * row, features)
        chosen = tf.cond(tf.reduce_sum(features) > 0, lambda: folded, lambda: features)
        return tf.function(lambda some: some @ weights)(chosen) + 0 * tf.random.uniform([])

    path = checkpoint_with(tmp_path, Doing(body, weights))
    loaded, _ = load_checkpoint(path)
    images = np.full((2, 299, 299, 3), 0.25, np.float32)

    np.testing.assert_allclose(loaded.layers[0](images), np.full((2, 3), 0.5), atol=1e-5)


def test_code_in_a_layer_is_refused(tmp_path: Path) -> None:
    pooled = [keras.layers.AveragePooling2D(64), keras.layers.Flatten()]
    built = network(*pooled, keras.layers.Lambda(lambda values: values / 2))
    path, _ = save_checkpoint(built, tmp_path / "lambda.keras", CARD)

    assert "lambda" in refusal(path).split("cannot be loaded: ")[1].lower()


class Carried(NamedTuple):
    """Scores of two checkpoints where they were made, and in a process that had only them."""

    made: dict[str, list[float]]
    reloaded: dict[str, list[float]]
    left: list[str]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Carried:
    folder = tmp_path_factory.mktemp("carried")
    images = np.random.default_rng(0).random((2, 299, 299, 3), np.float32)
    np.save(folder / "images.npy", images)
    made = {}
    for name, backbone in (("hub", hub_backbone(folder)), ("keras", keras_backbone(folder))):
        # The features of an untrained network all but vanish.
        built = network(backbone.network, keras.layers.UnitNormalization())
        save_checkpoint(built, folder / f"{name}.keras", CARD)
        made[name] = built(images, training=False).numpy()[:, 0].tolist()
    shutil.rmtree(folder / "module")
    (folder / "mobile.weights.h5").unlink()
    paths = [str(folder / f"{name}.keras") for name in made]
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, str(folder / "images.npy"), *paths],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    reloaded = dict(zip(made, json.loads(done.stdout), strict=True))
    return Carried(made, reloaded, sorted(path.name for path in folder.iterdir()))


def hub_backbone(folder: Path) -> FrozenBackbone:
    def body(features: Any) -> Any:
        return features @ weights

    weights = tf.Variable(np.random.default_rng(1).random((3, 3), np.float32))
    tf.saved_model.save(Doing(body, weights), str(folder / "module"))
    return build_backbone(f"hub:{folder / 'module'}", Decode())


def keras_backbone(folder: Path) -> FrozenBackbone:
    keras.utils.set_random_seed(3)
    made = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(299, 299, 3), pooling="avg"
    )
    made.save_weights(folder / "mobile.weights.h5")
    return build_backbone(f"keras:MobileNetV2={folder / 'mobile.weights.h5'}", Decode())


@pytest.mark.parametrize("kind", ["hub", "keras"])
def test_one_file_is_all_that_another_process_needs(carried: Carried, kind: str) -> None:
    assert carried.left == [
        "hub.json", "hub.keras", "images.npy", "keras.json", "keras.keras",
    ]  # fmt: skip
    assert carried.reloaded[kind] == pytest.approx(carried.made[kind], abs=1e-6)
    assert len(set(carried.made[kind])) == 2, "images are told apart"


class Unsavable:
    """A network on a disk that is full once half of the file is written."""

    def save(self, path: Path) -> None:
        path.write_bytes(b"PK half of a zip")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_appears_under_a_name_before_it_is_whole(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(Unsavable(), tmp_path / "checkpoints" / "c.keras", CARD)

    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_what_is_there_already_outlives_a_full_disk(tmp_path: Path) -> None:
    layers = keras.layers.AveragePooling2D(64), keras.layers.Flatten()
    path, card = save_checkpoint(network(*layers), tmp_path / "c.keras", CARD)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(Unsavable(), path, CARD)

    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.json", "c.keras"]
    assert load_checkpoint(path)[1] == card


def test_checkpoints_of_one_name_stand_side_by_side(tmp_path: Path) -> None:
    def pooled(size: int) -> Any:
        return network(keras.layers.AveragePooling2D(size), keras.layers.Flatten())

    wanted = tmp_path / "c_0.454.keras"
    names = [save_checkpoint(pooled(size), wanted, CARD)[0].name for size in (64, 128, 99)]

    assert names == ["c_0.454.keras", "c_0.454-2.keras", "c_0.454-3.keras"]
    digests = {load_checkpoint(tmp_path / name)[1].digest for name in names}
    assert len(digests) == 3
