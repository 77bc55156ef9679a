"""From bytes to float32 `[height, width, 3]` in [0, 1]: the tf.data decode path."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np

from base.arrays import Float32Array
from base.runtime import tf
from imaging.data_root import Root
from imaging.decoding.decode_clock import decoding
from imaging.decoding.decode_limits import append_noise
from imaging.decoding.fitting import Tensor, copies, fitted, fitted_upright, turns_first
from imaging.decoding.image_file import (
    ImageFile,
    check_header,
    decodable,
    is_decoded,
    read_images,
)
from imaging.decoding.memory import keep_freed_memory, room_for_huge, trim_memory
from imaging.errors import ImageError
from imaging.formats.convert import converted, unwrapped
from imaging.formats.orientation import UPRIGHT, orientation_of, turned
from imaging.limits import MAX_PIXELS
from model.card import Decode

# Limits of bytes held at once, independent of the images and the number of cores: of files, and of
# pixels before resizing. A single image has fewer (40 million pixels: 360 MB).
GROUP_BYTES = 128_000_000
DECODED_BYTES = 384_000_000
# A worker decodes two batches at once, but only one group larger than this; it takes all cores.
HEAVY_BYTES = 64_000_000
_heavy = threading.Lock()
# An image that takes more (a JPEG of 33 million pixels, a progressive one of 11) is a group of its
# own, and waits until the process holds no other batch. TensorFlow's allocator never returns memory
# to the system: what is held beside such an image would make it take more for good.
HUGE_BYTES = 100_000_000
# The pixels of the largest image.
_LARGEST_PIXELS = 3 * MAX_PIXELS
_WHITE = 255.0  # becomes 1.0
_MIDDLE = 128  # libjpeg's filling when a scan ends too early
# Limits of what is quoted from native code about an image: lines, and letters per line.
_MOST_SAID, _MOST_LETTERS = 3, 200

# Called with a position and a SHA-256: whether this image need not be decoded.
Known = Callable[[int, str], bool]


class NativeOutput(Protocol):
    """What happens to the lines that native code prints while it decodes."""

    def batch(self) -> AbstractContextManager[object]:
        """Many images are decoded: it is not known which of them a line is about."""

    def alone(self) -> AbstractContextManager[list[str]]:
        """One image and no other is decoded: afterwards the list holds its lines."""


class _Printed:
    """Lets the lines be printed as they come."""

    def batch(self) -> AbstractContextManager[object]:
        return nullcontext()

    def alone(self) -> AbstractContextManager[list[str]]:
        return nullcontext([])


PRINTED = _Printed()


class DecodedBatch(NamedTuple):
    """The images of a batch that could be decoded, and why the others could not.

    `images` is float32 `[k, height, width, 3]` in [0, 1]; `positions` `[k]` holds their positions
    among the paths; `errors` holds the other ones; `digests` those of all files that could be read,
    `orientations` (EXIF's, 1 to 8) of those whose header is good.
    `read_seconds` were spent waiting for files to be read, digested and checked, `decode_seconds`
    on decoding; reading in the background is in neither.
    """

    images: Float32Array
    positions: list[int]
    errors: dict[int, ImageError]
    digests: dict[int, str]
    orientations: dict[int, int]
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


class Group(NamedTuple):
    """Files decoded together, by position; the bytes needed for all, and for the largest."""

    files: dict[int, bytes]
    needed: int
    largest: int

    def room(self) -> AbstractContextManager[object]:
        """The lock to hold while the group is decoded."""
        if self.largest > HUGE_BYTES:
            return room_for_huge()
        return _heavy if self.needed > HEAVY_BYTES else nullcontext()


class Decoder:
    """The decode path of one model card, traced once."""

    def __init__(
        self, settings: Decode, parallel: int | None = None, native: NativeOutput = PRINTED
    ) -> None:
        keep_freed_memory()
        self._copies = copies(settings)
        _reserve(self._copies)
        self._settings = settings
        self._native = native
        self._parallel = parallel or tf.data.AUTOTUNE
        self._turns_first = turns_first(settings)
        turns = [tf.TensorSpec([None], tf.int32)] if self._turns_first else []
        self._decode_many = tf.function(
            self._decode_all,
            input_signature=[
                tf.TensorSpec([None], tf.string),
                tf.TensorSpec([], tf.float32),
                *turns,
            ],
        )
        # Outside of a tf.function, TensorFlow leaks about 100 KB for each JPEG that it fails on.
        one_file = [tf.TensorSpec([], tf.string)]
        self._decode_one = tf.function(
            self._decode,
            input_signature=[*one_file, *(tf.TensorSpec([], tf.int32) for _ in turns)],
        )
        self._decode_eighth = tf.function(
            lambda data: tf.io.decode_jpeg(data, channels=3, ratio=8), input_signature=one_file
        )

    def decode_files(
        self, root: Root, paths: Sequence[str], is_known: Known | None = None
    ) -> DecodedBatch:
        """Read and decode files under `root`; each path becomes an image or an error.

        Except those for which `is_known`, called with position and digest, is true: they get only a
        digest.
        """
        alone = len(paths) == 1
        return self._decode_stream(enumerate(read_images(root, paths)), is_known, alone=alone)

    def decode_read(self, files: Mapping[int, ImageFile]) -> DecodedBatch:
        """Decode files that were already read, by position; the caller limits their bytes."""
        return self._decode_stream(files.items())

    def decode(self, data: bytes, orientation: int = UPRIGHT) -> Float32Array:
        """Decode one image alone; `orientation` is EXIF's, if images are turned before resizing.

        Raises:
            ImageError: its bytes are damaged.
        """
        data = decodable(data)
        try:
            turn = [tf.constant(orientation)] if self._turns_first else []
            pixels, ends_grey = self._decode_one(tf.constant(data), *turn)
        except tf.errors.InvalidArgumentError as error:
            reason = _reason(str(error.message))
            raise ImageError("corrupt", f"the image data is damaged: {reason}") from error
        if ends_grey and data.startswith(b"\xff\xd8"):
            self._check_end(data)
        image: Float32Array = (pixels / _WHITE).numpy()
        return image

    def _check_end(self, jpeg: bytes) -> None:
        """Refuse a JPEG whose scan ends before its picture, which libjpeg fills with grey.

        It is checked at an eighth of its size, where every block is a pixel.
        """
        try:
            once, more = (
                self._decode_eighth(tf.constant(data)) for data in (jpeg, append_noise(jpeg))
            )
            complete = bool(tf.reduce_all(once == more))
        except tf.errors.InvalidArgumentError:  # because of the noise, which was read
            complete = False
        if not complete:
            raise ImageError("corrupt", "the image data end before the picture does")

    def _decode_stream(
        self,
        files: Iterable[tuple[int, ImageFile | ImageError]],
        is_known: Known | None = None,
        *,
        alone: bool = False,
    ) -> DecodedBatch:
        """Decode as many files at a time as may be held, and then read the next ones."""
        settings = self._settings
        parts = [np.empty((0, settings.height, settings.width, 3), np.float32)]
        batch = DecodedBatch(parts[0], [], {}, {}, {})
        seconds = 0.0
        began = time.perf_counter()
        for group in _groups(_unknown(files, batch, is_known), batch, self._copies):
            ready = time.perf_counter()
            if group.largest > HUGE_BYTES:
                parts = [part.copy() for part in parts]  # out of the allocator's memory
            with group.room(), decoding(len(group.files), alone=alone):
                turns = self._turns(group.files, batch)
                self._convert_others(group.files, batch)
                first = len(batch.positions)
                parts.append(self._decode_group(group.files, turns, batch))
                if turns and not self._turns_first:
                    parts[-1] = _turned(parts[-1], batch.positions[first:], turns)
            group.files.clear()  # not held while the next one is read
            seconds += time.perf_counter() - ready
        reading = time.perf_counter() - began - seconds
        # Usually there is one group, which is not copied: that would cost a tenth of its decoding.
        images = parts[1] if len(parts) == 2 else np.concatenate(parts)
        return batch._replace(images=images, read_seconds=reading, decode_seconds=seconds)

    def _turns(self, group: dict[int, bytes], batch: DecodedBatch) -> dict[int, int]:
        """EXIF's orientation of those images that are to be turned, by position."""
        if self._settings.orientation == "ignore":
            return {}
        found = {at: batch.orientations[at] for at in group}
        return {at: orientation for at, orientation in found.items() if orientation != UPRIGHT}

    def _convert_others(self, group: dict[int, bytes], batch: DecodedBatch) -> None:
        """Put a BMP in the place of each image that TensorFlow does not decode, or an error."""
        others = [at for at, data in group.items() if not is_decoded(data)]
        with self._native.batch() if others else nullcontext():
            for position in others:
                try:
                    group[position] = converted(group[position])
                except ImageError as error:
                    batch.errors[position] = _bare(error)
                    del group[position]
        if others:
            trim_memory()  # of all that the libraries used meanwhile

    def _decode_group(
        self, group: dict[int, bytes], turns: Mapping[int, int], batch: DecodedBatch
    ) -> Float32Array:
        """The images of a group, ordered by position; adds positions and errors to `batch`."""
        if not group:
            return batch.images
        orientations = [turns.get(at, UPRIGHT) for at in group]
        with self._native.batch():
            indices, images, grey = self._decode_good(list(group.values()), orientations)
        if len(indices) == len(group) and not grey:
            batch.positions.extend(group)
            return images
        decoded = {
            index: row for index, row in zip(indices, images, strict=True) if index not in grey
        }
        kept = [images[:0]]
        for index, (position, data) in enumerate(group.items()):
            try:
                # An image dropped from the batch need not be corrupt: out-of-memory errors are
                # dropped too. And one that ends in grey need not be cut short.
                is_good = index in decoded
                image = decoded[index] if is_good else self._decode_alone(data, orientations[index])
            except ImageError as error:
                batch.errors[position] = _bare(error)
                continue
            kept.append(image[None])
            batch.positions.append(position)
        return np.concatenate(kept)

    def _decode_alone(self, data: bytes, orientation: int) -> Float32Array:
        with self._native.alone() as said:
            try:
                return self.decode(data, orientation)
            except ImageError as error:
                # Bare, because this frame and the error would refer to each other.
                failure = _bare(error)
        raise ImageError(failure.code, failure.detail + _in_brackets(said))

    def _decode_good(
        self, blobs: list[bytes], orientations: list[int]
    ) -> tuple[list[int], Float32Array, set[int]]:
        """Decode `blobs`: the indices `[k]` and images `[k, ...]` of those that could be decoded.

        Also returns the indices of those that end in grey.
        """
        turns = [tf.constant(orientations)] if self._turns_first else []
        try:
            indices, images, ends_grey = self._decode_many(
                tf.constant(blobs), tf.constant(_WHITE), *turns
            )
        except tf.errors.InvalidArgumentError:  # none of them could be decoded
            settings = self._settings
            return [], np.empty((0, settings.height, settings.width, 3), np.float32), set()
        found = indices.numpy()
        grey = set(found[ends_grey.numpy()].tolist())
        return found.tolist(), np.asarray(images), grey  # .numpy() would copy

    def _decode(self, data: Tensor, *orientation: Tensor) -> Any:  # noqa: ANN401 - tensors
        """The image, its values still in [0, 255], and whether its last pixel is middle grey."""
        settings = self._settings
        image = tf.cond(
            tf.strings.substr(data, 0, 2) == b"BM",
            lambda: tf.io.decode_bmp(data, channels=3),
            lambda: tf.io.decode_jpeg(
                data, channels=3, dct_method=settings.dct_method, ratio=settings.ratio
            ),
        )
        # The division follows. Equal to the tutorial's convert-then-resize up to 1.2e-7, in half of
        # its memory.
        if orientation:
            resized = fitted_upright(image, orientation[0], settings)
        else:
            resized = fitted(image, settings)
        ends_grey = tf.reduce_all(image[-1, -1] == _MIDDLE)
        return tf.ensure_shape(resized, [settings.height, settings.width, 3]), ends_grey

    def _decode_all(self, blobs: Tensor, white: Tensor, *turns: Tensor) -> Any:  # noqa: ANN401
        indices, images, ends_grey = (
            tf.data.Dataset.from_tensor_slices((blobs, *turns) if turns else blobs)
            .enumerate()
            .map(
                lambda index, data: (index, *self._decode(*(data if turns else (data,)))),
                num_parallel_calls=self._parallel,
                deterministic=True,
            )
            .ignore_errors()
            .batch(tf.size(blobs, out_type=tf.int64))
            .get_single_element()
        )
        # All at once and in place: image by image it would cost 4 % more. `white` is an argument,
        # because Grappler would multiply by a rounded 1/255, and a single image would get other
        # last bits.
        return indices, images / white, ends_grey


def _reserve(copies: int) -> None:
    """Let TensorFlow's allocator begin with a region that the largest image fits in so many times.

    It would begin with a smaller one and add this one later; no page is used before it is written.
    """
    with tf.device("CPU:0"):
        tf.raw_ops.Empty(shape=[copies * _LARGEST_PIXELS], dtype=tf.uint8, init=False)


def _turned(images: Float32Array, positions: list[int], turns: dict[int, int]) -> Float32Array:
    """The images, those that EXIF says to turn turned: after resizing, as they are square."""
    whole = images.copy()
    for row, position in enumerate(positions):
        if position in turns:
            whole[row] = turned(images[row], turns[position])
    return whole


def _bare(error: ImageError) -> ImageError:
    """The error without its traceback, whose frames refer to the batch and so to the error."""
    return ImageError(error.code, error.detail)


def _in_brackets(said: Sequence[str]) -> str:
    """The lines about an image, each once, in brackets to end a sentence with."""
    things = [line[:_MOST_LETTERS] for line in dict.fromkeys(said)][:_MOST_SAID]
    return f" ({'; '.join(things)})" if things else ""


def _reason(message: str) -> str:
    """TensorFlow's sentence, without the trace before it and the node after it."""
    return message.split("[[{{", maxsplit=1)[0].strip().splitlines()[-1]


def _groups(
    files: Iterable[tuple[int, ImageFile | ImageError]], batch: DecodedBatch, copies: int
) -> Iterator[Group]:
    """The files in groups that may be held at once; adds digests and errors to `batch`.

    Of each image so many `copies` are held.
    """
    group: dict[int, bytes] = {}
    encoded = decoded = largest = 0
    for position, file in files:
        try:
            data, once = _admit(position, file, batch)
            needed = copies * once
        except ImageError as error:
            batch.errors[position] = _bare(error)
            continue
        is_full = encoded + len(data) > GROUP_BYTES or decoded + needed > DECODED_BYTES
        if group and (is_full or max(needed, largest) > HUGE_BYTES):
            yield Group(group, decoded, largest)
            group, encoded, decoded, largest = {}, 0, 0, 0
        group[position] = data
        encoded, decoded, largest = encoded + len(data), decoded + needed, max(largest, needed)
    if group:
        yield Group(group, decoded, largest)


def _unknown(
    files: Iterable[tuple[int, ImageFile | ImageError]],
    batch: DecodedBatch,
    is_known: Known | None,
) -> Iterator[tuple[int, ImageFile | ImageError]]:
    """The files without the known ones, whose digests are added to `batch`."""
    for position, file in files:
        if is_known is not None and isinstance(file, ImageFile) and is_known(position, file.digest):
            batch.digests[position] = file.digest
            batch.orientations[position] = orientation_of(file.data)
        else:
            yield position, file


def _admit(position: int, file: ImageFile | ImageError, batch: DecodedBatch) -> tuple[bytes, int]:
    """The bytes of a file, or of the JPEG inside, and how many bytes decoding them needs."""
    if isinstance(file, ImageError):
        raise file
    batch.digests[position] = file.digest
    data = file.data if is_decoded(file.data) else unwrapped(file.data)
    needed = check_header(data)
    batch.orientations[position] = orientation_of(data)
    return data, needed
