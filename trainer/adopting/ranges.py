"""What networks take for an image, and what their owners read it with. Needs no TensorFlow."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

Library = Literal["tensorflow", "pillow", "opencv"]
LIBRARIES: tuple[Library, ...] = get_args(Library)

# Of Keras's preprocess_input in the modes `torch` and `caffe`, which has blue first.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_BLUE_FIRST_MEAN = np.array([103.939, 116.779, 123.68], np.float32)


class InputRange(NamedTuple):
    """What a range means, and how images in [0, 1] (arrays or tensors, RGB) get into it."""

    meaning: str
    of: Callable[[Any], Any]


RANGES = {
    "byte": InputRange("0 to 255, as the pixels are", lambda images: images * 255),
    "unit": InputRange("0 to 1, pixels / 255", lambda images: images),
    "signed": InputRange("-1 to 1, pixels / 127.5 - 1", lambda images: images * 2 - 1),
    "imagenet": InputRange(
        "pixels / 255, less ImageNet's mean and divided by its deviation, as in PyTorch",
        lambda images: (images - _MEAN) / _DEVIATION,
    ),
    "caffe": InputRange(
        "0 to 255 less ImageNet's mean, blue first, as of VGG and ResNet in Keras",
        lambda images: images[..., ::-1] * 255 - _BLUE_FIRST_MEAN,
    ),
}
