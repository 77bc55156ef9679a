"""Numbers as the page says them."""


def images(number: int) -> str:
    """`1 image`, `2,000 images`."""
    return "1 image" if number == 1 else f"{number:,} images"
