"""Holm's correction of p values for their number. Pure."""

from collections.abc import Sequence


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """The p values, adjusted so that the chance of any false finding among them stays at its level.

    Holm, S. 1979, Scandinavian Journal of Statistics 6:65-70. Undefined ones (None) stay so and
    are not counted.
    """
    known = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for before, (p, at) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - before)))
        adjusted[at] = highest
    return adjusted
