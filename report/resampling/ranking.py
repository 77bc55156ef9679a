"""Draws of figures over all thresholds, images drawn with replacement within each class.

Exact without drawing every image: an area depends on the counts of malignant images and of the
benign ones between them, and the best specificity at a sensitivity on one malignant image.
"""

import math
from collections.abc import Sequence

import numpy as np

from base.arrays import Float64Array, LabelArray
from report.clustering.bootstrap import DRAWS, SEED
from report.metrics.curves.ranked import Ranked

# The draws of areas take as long as there are malignant images: of a thousand a fifth of a second.
MOST_MALIGNANT = 1_000


def source() -> np.random.RandomState:
    """The same numbers in every release of numpy."""
    return np.random.RandomState(np.random.PCG64(SEED))


def draw_ranked(of: Ranked) -> Ranked:
    """The counts of `DRAWS` draws; at most `MOST_MALIGNANT` malignant images."""
    numbers, groups = source(), of.malignant.shape[1]
    # Which group each malignant image is in, and so each drawn one.
    group = np.repeat(np.arange(groups), of.malignant[0])
    drawn = group[numbers.randint(0, len(group), (DRAWS, len(group)))]
    drawn += np.arange(DRAWS)[:, None] * groups
    malignant = np.bincount(drawn.ravel(), minlength=DRAWS * groups).reshape(DRAWS, groups)
    cells = np.stack([of.above[0], of.level[0]], axis=1).ravel()
    benign = np.zeros((DRAWS, 2 * groups), np.int64)
    used = np.flatnonzero(cells)
    rest = of.benign - int(cells.sum())  # benign images below every malignant one
    counts = np.append(cells[used], rest) / of.benign
    benign[:, used] = numbers.multinomial(of.benign, counts, DRAWS)[:, :-1]
    return Ranked(malignant, benign[:, ::2], benign[:, 1::2], of.benign)


def draw_specificities(
    labels: LabelArray, scores: Float64Array, sensitivities: Sequence[float]
) -> list[Float64Array]:
    """The best specificity at a sensitivity of at least each of these, each `[draws]`.

    It is that at the score of the k-th malignant image from above, the first that is enough. Of m
    images drawn with replacement the k-th is the image of rank m U, where U has the beta
    distribution of the k-th of m uniform numbers; benign images below it are binomial.
    """
    malignant, benign = np.sort(scores[labels == 1])[::-1], np.sort(scores[labels == 0])
    m, n, numbers, found = len(malignant), len(benign), source(), []
    for sensitivity in sensitivities:
        k = _enough(sensitivity, m)
        rank = np.minimum((numbers.beta(k, m - k + 1, DRAWS) * m).astype(np.int64), m - 1)
        below = np.searchsorted(benign, malignant[rank], "left")
        found.append(numbers.binomial(n, below / n) / n)
    return found


def draw_means(values: Float64Array) -> Float64Array:
    """The mean of values `[n]` in each draw of as many, `[draws]`."""
    drawn = source().randint(0, len(values), (DRAWS, len(values)))
    means: Float64Array = values[drawn].mean(axis=1)
    return means


def _enough(sensitivity: float, m: int) -> int:
    """The fewest of `m` images that are this share of them or more, in floating point."""
    k = max(math.ceil(sensitivity * m) - 1, 1)
    return k if k / m >= sensitivity else k + 1
