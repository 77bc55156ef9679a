"""Code of a model's owner runs only with --trust, and never in what comes out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from owners import SIDE, Save, as_h5, as_keras, convolved, tf_keras, trainer_adopt

from base.runtime import keras, tf
from model.checkpoint import load_checkpoint

UNIT = ("--input-range", "unit")


def marking(library: Any, mark: Path) -> Any:
    """A model with a Lambda that leaves a mark each time when it runs."""
    file = str(mark)
    double = library.layers.Lambda(
        lambda rows: rows * __import__("pathlib").Path(file).write_text("ab"),
        name="double",
    )
    end = library.layers.Dense(1, activation="sigmoid")
    return convolved(library, end, before=[double])


@pytest.mark.parametrize(
    ("library", "save"),
    [(keras, as_keras), (keras, as_h5), (tf_keras, as_keras), (tf_keras, as_h5)],
    ids=[".keras of Keras 3", ".h5 of Keras 3", ".keras of Keras 2", ".h5 of Keras 2"],
)
def test_a_lambda_runs_only_if_it_is_trusted(library: Any, save: Save, tmp_path: Path) -> None:
    mark, out = tmp_path / "mark", tmp_path / "out.keras"
    source = save(marking(library, mark), tmp_path)
    mark.unlink()

    refused = trainer_adopt(source, "-o", out, *UNIT)

    assert refused.exit_code == 1
    assert f"{source} holds code: Lambda 'double'; if you know who wrote it" in refused.output
    assert not mark.exists()

    told = trainer_adopt(source, "-o", out, *UNIT, "--trust")

    assert told.exit_code == 0, told.output
    assert f"--trust: runs the code of {source}: Lambda 'double'" in told.stderr
    mark.unlink()  # it ran while the model was read
    network, _ = load_checkpoint(out)
    network(tf.zeros([2, SIDE, SIDE, 3]))
    assert not mark.exists()


class Called(keras.layers.Layer):  # type: ignore[misc] # keras has no types
    """Calls back into Python for each batch."""

    def call(self, rows: Any) -> Any:
        doubled = tf.py_function(lambda given: given * 2, [rows], tf.float32)
        return tf.ensure_shape(doubled, rows.shape)


def test_even_with_trust_what_comes_out_only_computes(tmp_path: Path) -> None:
    end = keras.layers.Dense(1, activation="sigmoid")
    source = as_h5(convolved(keras, end, before=[Called()]), tmp_path)
    custom = tmp_path / "layers.py"
    custom.write_text("from test_adopting_trust import Called\n")
    trust = ("--custom", custom, "--trust")

    told = trainer_adopt(source, "-o", tmp_path / "out.keras", *UNIT, *trust)

    assert told.exit_code == 1
    assert "PyFunc" in told.output.splitlines()[-1]
    assert "which is not among those that a network needs to compute" in told.output
    assert not (tmp_path / "out.keras").exists()


CUSTOM = """
from {library}.layers import Layer

class Doubled(Layer):
    def call(self, rows):
        return rows * 2
"""


@pytest.mark.parametrize(
    ("library", "imported"), [(keras, "keras"), (tf_keras, "tensorflow.keras")]
)
def test_a_class_of_the_owners_comes_from_a_file(
    library: Any, imported: str, tmp_path: Path
) -> None:
    class Doubled(library.layers.Layer):  # type: ignore[misc] # no types
        def call(self, rows: Any) -> Any:
            return rows * 2

    end = library.layers.Dense(1, activation="sigmoid")
    source = as_h5(convolved(library, end, before=[Doubled()]), tmp_path)
    custom, out = tmp_path / "layers.py", tmp_path / "out.keras"
    custom.write_text(CUSTOM.format(library=imported))

    refused = trainer_adopt(source, "-o", out, *UNIT)
    told = trainer_adopt(source, "-o", out, *UNIT, "--custom", custom, "--trust")

    assert refused.exit_code == 1
    assert "holds code: Doubled 'doubled'" in refused.output
    assert told.exit_code == 0, told.output
    assert f"--trust: runs {custom} (SHA-256 " in told.stderr


class Served(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """A classifier that is served; another function of it writes a file."""

    def __init__(self, folder: Path, served: Callable[["Served", Any], Any]) -> None:
        super().__init__()
        self.weights = tf.Variable([[0.5], [1.0], [-1.0]])
        self.folder = str(folder)
        images = tf.TensorSpec([None, SIDE, SIDE, 3], name="images")
        self.serve = tf.function(lambda rows: served(self, rows), input_signature=[images])
        self.note = tf.function(self.write, input_signature=[])

    def score(self, images: Any) -> Any:
        return tf.sigmoid(tf.reduce_mean(images, [1, 2]) @ self.weights)

    def write(self) -> Any:
        with tf.control_dependencies([tf.io.write_file(self.folder + "/mark", "written")]):
            return tf.constant(1.0)


def noted(module: Served, images: Any) -> Any:
    return module.write() * module.score(images)


@pytest.mark.parametrize("served", [Served.score, noted])
def test_of_a_saved_model_only_what_it_serves_is_taken(
    served: Callable[[Served, Any], Any], tmp_path: Path
) -> None:
    module, source = Served(tmp_path, served), tmp_path / "model"
    tf.saved_model.save(module, str(source), signatures={"serving_default": module.serve})

    told = trainer_adopt(source, "-o", tmp_path / "out.keras", *UNIT)

    assert (told.exit_code == 0) == (served is Served.score), told.output
    assert ("holds the operation WriteFile" in told.output) == (served is noted)
    assert not (tmp_path / "mark").exists()


def test_a_module_of_tensorflow_hub_with_a_head_is_called(tmp_path: Path) -> None:
    module = Served(tmp_path, Served.score)
    module.__call__ = module.serve
    del module.note
    tf.saved_model.save(module, str(tmp_path / "model"))
    told = trainer_adopt(tmp_path / "model", "-o", tmp_path / "out.keras", *UNIT)
    assert told.exit_code == 0, told.output
    assert "SavedModel (__call__)" in told.output
