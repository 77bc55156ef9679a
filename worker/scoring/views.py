"""Views of an image: its flips and quarter turns, whose scores are averaged. Pure.

A lesion has no upper side, so each view is as good a photograph of it as the first. Four views are
the flips (and the half turn, which is two of them): they keep the shape of any image, and an image
that was stretched into a square stays stretched in the same direction. Quarter turns do neither.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from base.arrays import Float32Array
from model.features.feature_cache import FeatureKey
from worker.scoring.batch_scores import is_outside

# View n is made of these: 0 is the image, 1 to 3 are the flips, 4 to 7 the same of the transposed.
_FLIPPED_SIDEWAYS, _FLIPPED_UPSIDE_DOWN, _TRANSPOSED = 1, 2, 4


def seen(images: Float32Array, view: int) -> Float32Array:
    """One view of images `[n, height, width, 3]`; no pixel is copied."""
    if view & _TRANSPOSED:
        images = images.swapaxes(1, 2)
    down = -1 if view & _FLIPPED_UPSIDE_DOWN else 1
    across = -1 if view & _FLIPPED_SIDEWAYS else 1
    return images[:, ::down, ::across]


def key_of_view(key: FeatureKey, view: int) -> FeatureKey:
    """Where the features of a view are kept; those of the image itself as without views."""
    if not view:
        return key
    return key.model_copy(update={"variant": f"{key.variant} view-{view}".strip()})


def mean_of_views(views: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The mean score of each image, by position, that all of the views have a score for.

    A score of one view that proves a wrong model is kept: the mean could hide it.
    """
    first, *others = views
    return {
        position: _mean([score, *(view[position] for view in others)])
        for position, score in first.items()
        if all(position in view for view in others)
    }


def _mean(scores: Sequence[float]) -> float:
    outside = [score for score in scores if is_outside(score)]
    return outside[0] if outside else sum(scores) / len(scores)


def mean_of_rows(rows: Sequence[Float32Array]) -> Float32Array:
    """The mean probabilities `[classes]` of one image; a wrong one is kept, as that of a score."""
    means = [_mean(list(numbers)) for numbers in zip(*(row.tolist() for row in rows), strict=True)]
    return np.asarray(means, np.float32)
