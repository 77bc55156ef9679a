"""Augmented copies of training images: rotated, flipped and slightly recoloured."""

from collections.abc import Sequence

import numpy as np

from base.arrays import Float32Array
from base.runtime import tf

Pixels = Float32Array

# A lesion has no fixed orientation; its colours carry information, so they change only slightly.
_BRIGHTNESS = 0.05
_CONTRAST = 0.1
_SATURATION = 0.1
_HUE = 0.01


def augment(images: Pixels, digests: Sequence[str], row: int, seed: int) -> Pixels:
    """The `row`-th augmented copy of each image; deterministic in image, row and seed.

    Args:
        images: `[n, height, width, 3]` in [0, 1].
        digests: `[n]`, the SHA-256 of each image's file, in hex.
        row: from 1; eight successive rows have different flips and quarter turns.
        seed: of the training.
    """
    return np.stack(
        [
            _augment_one(image, digest, row, seed)
            for image, digest in zip(images, digests, strict=True)
        ]
    )


def _augment_one(image: Pixels, digest: str, row: int, seed: int) -> Pixels:
    rng = np.random.default_rng([seed, row, int(digest[:16], 16)])
    changed = tf.image.adjust_brightness(image, rng.uniform(-_BRIGHTNESS, _BRIGHTNESS))
    changed = tf.image.adjust_contrast(changed, rng.uniform(1 - _CONTRAST, 1 + _CONTRAST))
    changed = tf.clip_by_value(changed, 0.0, 1.0)
    changed = tf.image.adjust_saturation(changed, rng.uniform(1 - _SATURATION, 1 + _SATURATION))
    changed = tf.image.adjust_hue(changed, rng.uniform(-_HUE, _HUE))
    return _turned(tf.clip_by_value(changed, 0.0, 1.0).numpy(), row % 8)


def _turned(image: Pixels, which: int) -> Pixels:
    """One of the eight flips and quarter turns of a square; 0 changes nothing."""
    turned = np.rot90(image, which % 4)
    flipped = turned[:, ::-1] if which >= 4 else turned
    return np.ascontiguousarray(flipped)
