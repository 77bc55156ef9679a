"""The loaded model: images in, scores out."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.checkpoint import load_checkpoint
from model.errors import CheckpointError
from model.preprocess import DecodedBatch, Decoder
from model.runtime import convert_variables_to_constants_v2, gpus, tf


class Scorer:
    """A checkpoint frozen for serving, with the decode path that its card asks for."""

    def __init__(self, path: Path) -> None:
        """Load, freeze and warm up.

        Raises:
            CheckpointError: the file cannot be used, or does not give scores in [0, 1].
        """
        network, self.card = load_checkpoint(path)
        self.path = path
        self._decoder = Decoder(self.card.decode)
        self._graph = _freeze(network)
        # One batch computes while another decodes; two at once would only share the same cores.
        self._computing = threading.Lock()
        self._check(path)

    @property
    def device(self) -> str:
        """Where the scores are computed."""
        return f"{len(gpus)} GPU" if gpus else "CPU"

    def decode(self, root: Path, paths: Sequence[str]) -> DecodedBatch:
        """Read and decode files under `root` as the model card asks."""
        return self._decoder.decode_files(root, paths)

    def score(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Scores `[n]` in [0, 1] of images `[n, height, width, 3]` in [0, 1], in the same order."""
        if not len(images):
            return np.empty(0)
        # Alone, an image takes another path through oneDNN and its score differs by 1e-7; in any
        # company it is the same to the bit.
        batch = np.repeat(images, 2, axis=0) if len(images) == 1 else images
        with self._computing:
            scores: npt.NDArray[np.float32] = self._graph(tf.constant(batch))[0].numpy()
        return scores[: len(images), 0].astype(np.float64)

    def _check(self, path: Path) -> None:
        """Score one grey and one black image: the first call is slow, and may show a fault."""
        shape = (2, self.card.decode.height, self.card.decode.width, 3)
        images = np.full(shape, 0.5, np.float32)
        images[1] = 0
        scores = self.score(images)
        if not np.all((scores >= 0) & (scores <= 1)):  # NaN is neither
            raise CheckpointError(f"{path} gives {scores.tolist()}, which are not scores in [0, 1]")


def _freeze(network: Any) -> Any:  # noqa: ANN401 - keras.Model to a concrete function
    """The network as one graph of constants, in which TensorFlow folds batch normalisation."""
    height, width, channels = network.input_shape[1:]
    call = tf.function(lambda images: network(images, training=False))
    signature = tf.TensorSpec([None, height, width, channels], tf.float32)
    return convert_variables_to_constants_v2(call.get_concrete_function(signature))
