"""An int8 backbone as a Keras 3 layer that carries OpenVINO's two files inside the .keras file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from base.runtime import keras
from model.errors import CheckpointError
from model.network_config import refuse_settings_of_quantised
from model.quantised.network_file import BIN, MAX_BIN, MAX_XML, XML, refuse_unsafe, unsafe
from model.quantised.stored_network import QuantisedNetwork, network_digest


@keras.saving.register_keras_serializable("dermscore")
class QuantisedBackbone(keras.layers.Layer):  # type: ignore[misc] # keras has no types
    """A frozen network in int8: one image `[1, height, width, 3]` in [0, 1] to features of `shape`.

    It holds what OpenVINO reads, `xml` and `constants`, and never computes in Keras. A layer from a
    checkpoint has a `digest`, that of both.
    """

    def __init__(
        self,
        shape: Sequence[int],
        xml: bytes = b"",
        constants: bytes = b"",
        **options: Any,  # noqa: ANN401 - Keras's own
    ) -> None:
        super().__init__(**{**options, "trainable": False})
        self.shape = tuple(shape)
        self.xml, self.constants = xml, constants
        self.digest: str | None = network_digest(xml, constants) if xml else None

    @property
    def network(self) -> QuantisedNetwork:
        """What OpenVINO reads."""
        return QuantisedNetwork(self.shape, self.xml, self.constants)

    def call(self, _images: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        """Refused: a network of two engines in one graph would be neither quick nor the same.

        Raises:
            CheckpointError: always.
        """
        raise CheckpointError(
            "a quantised checkpoint is computed by OpenVINO only, not by Keras: score it with a "
            "worker, or with `trainer evaluate`"
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[n, *shape]`."""
        return (input_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        """The settings that Keras stores next to the assets."""
        return {**super().get_config(), "shape": list(self.shape)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "QuantisedBackbone":
        """The layer of a checkpoint, whose network comes only from that checkpoint.

        Raises:
            ValueError: it names a network itself, which would not have been checked.
        """
        refuse_settings_of_quantised(config)
        return cls(**config)

    def save_assets(self, inner_path: str) -> None:
        """Store both files inside the .keras file."""
        for name, data in ((XML, self.xml), (BIN, self.constants)):
            (Path(inner_path) / name).write_bytes(data)

    def load_assets(self, inner_path: str) -> None:
        """Read and check both files.

        Raises:
            CheckpointError: they hold something else than a network of convolutions.
        """
        folder = Path(inner_path)
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if names != sorted((XML, BIN)):
            raise unsafe(
                f"holds {', '.join(names)[:80] or 'no file'}, where {XML} and {BIN} belong"
            )
        xml, weights = folder / XML, folder / BIN
        if not (xml.is_file() and weights.is_file()):
            raise unsafe("holds a folder where a file belongs")
        sizes = xml.stat().st_size, weights.stat().st_size
        if sizes[0] > MAX_XML or sizes[1] > MAX_BIN:
            raise unsafe(f"has {sizes[0]:,} bytes of layers and {sizes[1]:,} of weights, too many")
        self.xml, self.constants = xml.read_bytes(), weights.read_bytes()
        refuse_unsafe(self.xml, len(self.constants))
        self.digest = network_digest(self.xml, self.constants)


def is_quantised(layers: Sequence[Any]) -> bool:
    """Whether these layers are a quantised backbone."""
    return len(layers) == 1 and isinstance(layers[0], QuantisedBackbone)
