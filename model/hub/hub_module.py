"""A TensorFlow Hub module as a Keras 3 layer that carries the module inside the .keras file."""

import hashlib
import shutil
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from base.runtime import keras, tf
from model.hub.served_module import ServedModule
from model.network_config import refuse_module_elsewhere

# Modules in use by digest: a second checkpoint with the same backbone loads none.
_loaded: WeakValueDictionary[str, ServedModule] = WeakValueDictionary()


@keras.saving.register_keras_serializable("dermscore")
class HubModule(keras.layers.Layer):  # type: ignore[misc] # keras has no types
    """A frozen feature-vector module: `[n, height, width, 3]` in [0, 1] to `[n, features]`.

    Keras 3 refuses `hub.KerasLayer`, which needs the module's folder to reload under tf_keras. The
    `module` is read from `folder` unless it is given. A module from a checkpoint has a `digest`,
    that of its files.
    """

    # As every release has written it into checkpoints, whose digest is taken of it too. Keras finds
    # the layer by its registered name.
    __module__ = "model.hub_module"

    def __init__(
        self,
        features: int,
        folder: Path | None = None,
        module: ServedModule | None = None,
        **options: Any,  # noqa: ANN401 - Keras's own
    ) -> None:
        super().__init__(**{**options, "trainable": False})
        self._features = features
        self._folder = folder
        self.digest: str | None = None
        self._module = _served(folder) if folder is not None and module is None else module

    def call(self, images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        """Features of the images, batch normalisation in inference mode."""
        if self._module is None:
            raise ValueError("its TensorFlow Hub module is missing")
        return tf.ensure_shape(self._module(images), [None, self._features])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """`[n, features]`."""
        return (input_shape[0], self._features)

    def get_config(self) -> dict[str, Any]:
        """The settings that Keras stores next to the assets."""
        return {**super().get_config(), "features": self._features}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "HubModule":
        """The layer of a checkpoint, whose module comes only from that checkpoint.

        Raises:
            ValueError: it names a folder or an address, whose module would not have been checked.
        """
        refuse_module_elsewhere(config)
        return cls(**config)

    def save_assets(self, inner_path: str) -> None:
        """Store the module's files inside the .keras file."""
        if self._folder is not None and self._folder.is_dir():
            _copy_files(self._folder, Path(inner_path))
        elif self._module is not None:
            self._module.save(inner_path)

    def load_assets(self, inner_path: str) -> None:
        """Read the module from inside the .keras file, which is unpacked only meanwhile."""
        self.digest = module_digest(Path(inner_path))
        module = _loaded.get(self.digest)
        if module is None:
            module = _loaded[self.digest] = ServedModule(Path(inner_path), self.digest)
        self._module = module


def _copy_files(source: Path, target: Path) -> None:
    """Copy a module's files without their permissions: a folder that is read only would stay so.

    Keras could then neither fill the copy nor remove it.
    """
    for file in module_files(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def module_files(folder: Path) -> list[Path]:
    """A module's files, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def module_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a module's files."""
    digest = hashlib.sha256()
    for file in module_files(folder):
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _served(folder: Path) -> ServedModule:
    return ServedModule(folder, module_digest(folder))


def feature_count(module: ServedModule, height: int, width: int) -> int:
    """The width of a module's feature vector, measured with one grey image."""
    features = module(tf.fill([1, height, width, 3], 0.5))
    return int(features.shape[-1])
