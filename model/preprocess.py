"""Bytes to float32 `[height, width, 3]` in [0, 1]: the tf.data decode path."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model.card import Decode
from model.errors import ImageError
from model.images import ImageFile, check_header, read_image
from model.runtime import tf

# Encoded bytes held at once, whatever the size of the files in a batch.
GROUP_BYTES = 128_000_000


class DecodedBatch(NamedTuple):
    """The images of a batch that could be decoded, and why the others could not.

    `images` is float32 `[k, height, width, 3]` in [0, 1]; `positions` `[k]` says where each stood
    among the paths; `errors` holds the rest; `digests` those files that could be read.
    """

    images: npt.NDArray[np.float32]
    positions: list[int]
    errors: dict[int, ImageError]
    digests: dict[int, str]
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


class Decoder:
    """The decode path of one model card, traced once."""

    def __init__(self, settings: Decode, parallel: int | None = None) -> None:
        self._settings = settings
        self._parallel = parallel or tf.data.AUTOTUNE
        self._many = tf.function(
            self._decode_all, input_signature=[tf.TensorSpec([None], tf.string)]
        )

    def decode_files(
        self, root: Path, paths: Sequence[str], skip: Callable[[int, str], bool] | None = None
    ) -> DecodedBatch:
        """Read and decode files under `root`; each path ends as an image or as an error.

        But for those that `skip` answers for, asked with position and digest.
        """
        batch = self._empty(len(paths))
        group: dict[int, bytes] = {}
        for position, path in enumerate(paths):
            try:
                file = read_image(root, path)
                if skip is not None and skip(position, file.digest):
                    batch.digests[position] = file.digest
                    continue
                self._admit(position, file, group, batch)
            except ImageError as error:
                batch.errors[position] = error
            if sum(map(len, group.values())) >= GROUP_BYTES:
                self._decode_group(group, batch)
                group = {}
        self._decode_group(group, batch)
        return batch._replace(images=batch.images[: len(batch.positions)])

    def decode_read(self, files: Mapping[int, ImageFile]) -> DecodedBatch:
        """Decode files that were read before, by position; the caller bounds their bytes."""
        batch = self._empty(len(files))
        group: dict[int, bytes] = {}
        for position, file in files.items():
            try:
                self._admit(position, file, group, batch)
            except ImageError as error:
                batch.errors[position] = error
        self._decode_group(group, batch)
        return batch._replace(images=batch.images[: len(batch.positions)])

    def decode(self, data: bytes) -> npt.NDArray[np.float32]:
        """Decode one image alone.

        Raises:
            ImageError: its bytes are damaged.
        """
        try:
            image: npt.NDArray[np.float32] = self._decode(tf.constant(data)).numpy()
        except tf.errors.InvalidArgumentError as error:
            reason = re.sub(r"{{.*?}}|\[Op:.*", "", str(error.message)).strip()
            raise ImageError("corrupt", f"the image data is damaged: {reason}") from error
        return image

    def _empty(self, count: int) -> DecodedBatch:
        shape = (count, self._settings.height, self._settings.width, 3)
        return DecodedBatch(np.empty(shape, np.float32), [], {}, {})

    @staticmethod
    def _admit(
        position: int, file: ImageFile, group: dict[int, bytes], batch: DecodedBatch
    ) -> None:
        batch.digests[position] = file.digest
        check_header(file.data)
        group[position] = file.data

    def _decode_group(self, group: dict[int, bytes], batch: DecodedBatch) -> None:
        """Decode a group into the next free rows of `batch.images`, in order of position."""
        decoded = self._decode_good(list(group.values()))
        for at, (position, data) in enumerate(group.items()):
            try:
                # Dropped from the batch is not yet corrupt: errors of memory are dropped too.
                image = decoded[at] if at in decoded else self.decode(data)
            except ImageError as error:
                batch.errors[position] = error
                continue
            batch.images[len(batch.positions)] = image
            batch.positions.append(position)

    def _decode_good(self, blobs: list[bytes]) -> dict[int, npt.NDArray[np.float32]]:
        """Index among `blobs` to image, without those that failed."""
        if not blobs:
            return {}
        try:
            indices, images = self._many(tf.constant(blobs))
        except tf.errors.InvalidArgumentError:  # not one of them was good
            return {}
        return dict(zip(indices.numpy().tolist(), images.numpy(), strict=True))

    def _decode(self, data: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        settings = self._settings
        image = tf.cond(
            tf.strings.substr(data, 0, 2) == b"BM",
            lambda: tf.io.decode_bmp(data, channels=3),
            lambda: tf.io.decode_jpeg(
                data, channels=3, dct_method=settings.dct_method, ratio=settings.ratio
            ),
        )
        # Equal to the tutorial's convert-then-resize to 1.2e-7, at half its memory.
        resized = tf.image.resize(image, [settings.height, settings.width]) / 255.0
        return tf.ensure_shape(resized, [settings.height, settings.width, 3])

    def _decode_all(self, blobs: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        return (
            tf.data.Dataset.from_tensor_slices(blobs)
            .enumerate()
            .map(
                lambda index, data: (index, self._decode(data)),
                num_parallel_calls=self._parallel,
                deterministic=True,
            )
            .ignore_errors()
            .batch(tf.size(blobs, out_type=tf.int64))
            .get_single_element()
        )
