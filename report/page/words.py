"""Numbers as the page says them."""


def plain(number: float) -> str:
    """The shortest text that reads back as the same number, 0 and 1 without a point."""
    return str(int(number)) if number == int(number) else repr(number)


def images(number: int) -> str:
    """`1 image`, `2,000 images`."""
    return "1 image" if number == 1 else f"{number:,} images"
