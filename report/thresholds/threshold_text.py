"""Thresholds as text that selects the same images when it is typed in. Pure."""

from decimal import ROUND_FLOOR, Decimal

# Smaller values are printed with an exponent, as browsers do.
_EXPONENT_BELOW = 1e-6
# Neighbouring float64 values differ within this many decimals, unless both are tiny.
_MOST_DECIMALS = 17


def threshold_text(value: float) -> str:
    """The shortest text that reads back as the same float64, 0 and 1 without a point.

    For thresholds that are also used on other images, whose scores are unknown.
    """
    exact = repr(float(value))
    if value == int(value):
        return str(int(value))
    return exact if value < _EXPONENT_BELOW else f"{Decimal(exact):f}"


def shortest(lowest: float, below: float | None) -> str:
    """The shortest decimal threshold with `lowest` as the lowest positive score.

    It lies above `below` and at most at `lowest`, as close to it as its digits allow. Only a score
    of 0 gives 0.

    Args:
        lowest: a score, in [0, 1].
        below: the next lower score, or None.
    """
    exact = Decimal(repr(float(lowest)))
    for decimals in range(1, _MOST_DECIMALS):
        # Rounding to float64 keeps the order: the value stays at or below `lowest`.
        cut = float(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR))
        if cut > (below or 0.0):
            return threshold_text(cut)
    return threshold_text(lowest)


def score_text(score: float, threshold: float, decimals: int = 2) -> str:
    """The score in `decimals` digits, or more if needed to show its side of the threshold."""
    for more in range(decimals, _MOST_DECIMALS):
        text = f"{score:.{more}f}"
        if (float(text) >= threshold) == (score >= threshold):
            return text
    return repr(score)
