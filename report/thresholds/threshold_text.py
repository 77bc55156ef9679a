"""Thresholds as text that selects the same images when it is typed in again. Pure."""

from decimal import ROUND_FLOOR, Decimal

# Below it zeros are harder to count than an exponent is to read; browsers draw the line here too.
_EXPONENT_BELOW = 1e-6
# Two neighbouring float64 differ within so many decimals, unless both are tiny.
_MOST_DECIMALS = 17


def threshold_text(value: float) -> str:
    """The shortest text that reads back as the same float64, 0 and 1 without a point.

    For a threshold that other images will meet as well, of which nobody knows the scores.
    """
    exact = repr(float(value))
    if value == int(value):
        return str(int(value))
    return exact if value < _EXPONENT_BELOW else f"{Decimal(exact):f}"


def shortest(lowest: float, below: float | None) -> str:
    """The decimal of fewest digits at which `lowest` is the lowest positive score.

    It lies above `below` and not above `lowest`, as close to it as its digits allow. 0 stands for a
    score of 0 only.

    Args:
        lowest: a score, in [0, 1].
        below: the next lower score, None if there is none.
    """
    exact = Decimal(repr(float(lowest)))
    for decimals in range(1, _MOST_DECIMALS):
        # Rounding a decimal to float64 never turns an order round: it stays at or below `lowest`.
        cut = float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR))
        if cut > (below or 0.0):
            return threshold_text(cut)
    return threshold_text(lowest)


def score_text(score: float, threshold: float, decimals: int = 2) -> str:
    """The score in so many decimals, or in as many as show on which side of the threshold it is."""
    for more in range(decimals, _MOST_DECIMALS):
        text = f"{score:.{more}f}"
        if (float(text) >= threshold) == (score >= threshold):
            return text
    return repr(score)
