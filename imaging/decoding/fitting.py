"""From the pixels of an image, of any size, to the size that a model card asks for."""

from functools import partial
from typing import Any

from base.runtime import tf
from imaging.formats.orientation import FROM_BELOW, FROM_RIGHT, HALF_TURNS
from model.card import Decode

# Tensors have no static type.
Tensor = Any
_METHODS = {"lanczos": "lanczos3"}
_WHITE = 255.0


def fitted(image: Tensor, settings: Decode) -> Tensor:
    """An image `[rows, columns, 3]` of bytes as float32 `[height, width, 3]`, still in [0, 255].

    As `tf.image.resize` does: bicubic and lanczos overshoot where neighbours differ much.
    """
    if settings.fit == "pad":
        return _padded(image, settings)
    if settings.crop is not None:
        image = _centre(image, settings, settings.crop)
    return _resized(image, [settings.height, settings.width], settings)


def fitted_upright(image: Tensor, orientation: Tensor, settings: Decode) -> Tensor:
    """The same of the image with the side up that EXIF's orientation, 1 to 8, says.

    A quarter turn is a flip before and a transposition after, when the image is small.
    """

    def turned(of: int) -> Tensor:
        flips = [axis for axis, ends in enumerate((FROM_BELOW, FROM_RIGHT)) if of in ends]
        if of <= HALF_TURNS:
            return fitted(_flipped(image, flips), settings)
        flipped = _flipped(image, [1 - axis for axis in flips])
        shape = [settings.width, settings.height, 3]
        # Otherwise the transposition would be moved before a cast, to bytes, about which oneDNN
        # prints an error.
        lying = tf.ensure_shape(fitted(flipped, settings.lying), shape)
        return tf.transpose(lying, [1, 0, 2])

    return tf.switch_case(orientation - 1, [partial(turned, of) for of in range(1, 9)])


def turns_first(settings: Decode) -> bool:
    """Whether images are turned before they are resized: afterwards it would not be the same.

    It is the same, and takes no more memory, if a whole image becomes a square, but for `nearest`,
    which takes the right one of two pixels that are equally near.
    """
    is_symmetric = settings.fit == "stretch" and settings.resize != "nearest"
    is_square = settings.height == settings.width
    return settings.orientation == "apply" and not (is_symmetric and is_square)


def copies(settings: Decode) -> int:
    """How many times the pixels of a whole image are held at once, at most; measured."""
    return 2 if turns_first(settings) or settings.crop is not None else 1


def _flipped(image: Tensor, axes: list[int]) -> Tensor:
    return tf.reverse(image, axes) if axes else image


def _resized(image: Tensor, size: Tensor, settings: Decode) -> Tensor:
    if settings.rounded:
        return _resized_as_by_pillow(image, size, settings)
    return _interpolated(image, size, settings)


def _interpolated(image: Tensor, size: Tensor, settings: Decode) -> Tensor:
    method = _METHODS.get(settings.resize, settings.resize)
    resized = tf.image.resize(image, size, method, antialias=settings.antialias)
    return tf.cast(resized, tf.float32)  # `nearest` gives bytes; does nothing to others


def _resized_as_by_pillow(image: Tensor, size: Tensor, settings: Decode) -> Tensor:
    """Whole numbers, which Pillow makes after each of two passes: along the rows comes first."""
    height, width = tf.unstack(tf.convert_to_tensor(size))
    shape = tf.shape(image)
    if settings.resize == "nearest":
        rows, columns = _neighbours(shape[0], height), _neighbours(shape[1], width)
        return tf.cast(tf.gather(tf.gather(image, rows), columns, axis=1), tf.float32)
    narrow = _whole(_interpolated(image, tf.stack([shape[0], width]), settings))
    return _whole(_interpolated(narrow, size, settings))


def _whole(values: Tensor) -> Tensor:
    return tf.floor(tf.clip_by_value(values, 0.0, _WHITE) + 0.5)


def _neighbours(given: Tensor, asked: Tensor) -> Tensor:
    """Which of the pixels along a side Pillow takes; it adds up steps in double precision."""
    # A plain division by a constant becomes a multiplication in a graph, with other last bits.
    step = tf.math.divide_no_nan(tf.cast(given, tf.float64), tf.cast(asked, tf.float64))
    steps = tf.concat([[step / 2], tf.fill([asked - 1], step)], 0)
    return tf.cast(tf.cumsum(steps), tf.int32)


def _centre(image: Tensor, settings: Decode, fraction: float) -> Tensor:
    """The largest part of the centre with the shape that is asked for, times `fraction`.

    With a fraction of 1 it is that of Keras's `smart_resize`, to the pixel.
    """
    shape = tf.shape(image)[:2]
    rows, columns = tf.unstack(shape)
    height, width = settings.height, settings.width
    largest = tf.minimum(shape, tf.stack([columns * height // width, rows * width // height]))
    size = tf.maximum(tf.cast(tf.cast(largest, tf.float64) * fraction, tf.int32), 1)
    top, left = tf.unstack((shape - size) // 2)
    return image[top : top + size[0], left : left + size[1]]


def _padded(image: Tensor, settings: Decode) -> Tensor:
    """What `tf.image.resize_with_pad` gives, and an image for a strip that it would refuse."""
    target = tf.constant([settings.height, settings.width], tf.float32)
    shape = tf.shape(image)[:2]
    # In float64, then rounded: in a graph, a division by a constant becomes a multiplication, and
    # in float32 some images would get a row less than outside of one.
    ratio = tf.cast(shape, tf.float64) / tf.cast(target, tf.float64)
    exact = tf.cast(shape, tf.float32) / tf.cast(tf.reduce_max(ratio), tf.float32)
    size = tf.maximum(tf.cast(exact, tf.int32), 1)
    top, left = tf.unstack(tf.maximum(tf.cast((target - exact) // 2, tf.int32), 0))
    resized = _resized(image, size, settings)
    return tf.image.pad_to_bounding_box(resized, top, left, settings.height, settings.width)
