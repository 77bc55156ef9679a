"""Numbers as the page says them."""


def images(count: int) -> str:
    """`1 image`, `2,000 images`."""
    return "1 image" if count == 1 else f"{count:,} images"
