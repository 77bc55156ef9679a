"""Numbers as text for a reader, with one kind of minus. Pure."""

MINUS = "−"  # U+2212, as Matplotlib draws it


def decimal(value: float, digits: int = 3) -> str:
    """The number in so many decimals; what rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)
