"""The difference of two proportions on the same images, with Tango's score interval."""

import math
from statistics import NormalDist

from report.metrics.estimate import Estimate


def paired_difference(
    only_first: int, only_second: int, total: int, confidence: float = 0.95
) -> Estimate:
    """The first proportion minus the second, both of the same images.

    The interval holds the differences that a score test does not reject (Tango, T. 1998,
    Statistics in Medicine 17:891-908). Without discordant pairs it still has a width.

    Args:
        only_first: images that are right in the first only.
        only_second: images that are right in the second only.
        total: all images, at least 1.
        confidence: of the interval, in (0, 1).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return Estimate(
        (only_first - only_second) / total,
        low=-_upper(only_second, only_first, total, z),
        high=_upper(only_first, only_second, total, z),
    )


def _upper(only_first: int, only_second: int, total: int, z: float) -> float:
    """The largest difference that is not rejected, by bisection to the last digit."""
    accepted, rejected = (only_first - only_second) / total, 1.0
    while accepted < (middle := (accepted + rejected) / 2) < rejected:
        distance = only_first - only_second - total * middle
        if distance**2 <= z**2 * _variance(only_first, only_second, total, middle):
            accepted = middle
        else:
            rejected = middle
    # Where all differences up to 1 are accepted, the one end meets the other.
    return rejected


def _variance(only_first: int, only_second: int, total: int, difference: float) -> float:
    """The variance of `only_first` - `only_second` where this is the true difference.

    `share` is the most likely probability of being right in the second only, the root of
    2 n q² + linear q = only_second x difference x (1 - difference).
    """
    linear = (2 * total - only_first + only_second) * difference - only_first - only_second
    constant = only_second * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear**2 + 8 * total * constant))
    # Of the two forms of the root, the one that subtracts no nearly equal numbers.
    share = 2 * constant / (linear + root) if linear > 0 else (root - linear) / (4 * total)
    return total * max(0.0, 2 * share + difference * (1 - difference))
