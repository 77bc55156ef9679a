"""Whether the first of two runs is not inferior to the second by more than a margin."""

from typing import NamedTuple

from report.metrics.estimate import Estimate


class NonInferiority(NamedTuple):
    """The lower `bound` of a difference that decides; `shown` is None where there is none."""

    bound: float | None
    shown: bool | None
    reason: str | None = None


def non_inferiority(difference: Estimate, margin: float) -> NonInferiority:
    """Non-inferiority is shown where the lower bound lies above -margin.

    The lower bound of a two-sided interval of 95 % is that of a one-sided test at 0.025 (ICH E9
    1998, sections 3.3.2 and 5.5).

    Args:
        difference: the first run minus the second, with its interval.
        margin: the largest loss that is acceptable, in (0, 1).
    """
    if difference.low is None:
        return NonInferiority(None, None, difference.reason)
    return NonInferiority(difference.low, difference.low > -margin)
