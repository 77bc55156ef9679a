"""Numbers as text for a reader, with one kind of minus. Pure."""

MINUS = "−"  # U+2212, as Matplotlib draws it
_SMALLEST_P = 0.001


def decimal(value: float, digits: int = 3) -> str:
    """The number in so many decimals; what rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def tenths_of_percent(share: float) -> str:
    """0.022 as `2.2 %`."""
    return f"{share:.1%}".replace("%", " %")


def p_text(p: float) -> str:
    """A p value in few digits; no p is 0."""
    return f"p < {_SMALLEST_P}" if p < _SMALLEST_P else f"p = {p:.3g}"
