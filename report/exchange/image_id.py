"""The id of an image without its folder."""

from pathlib import PurePath

from imaging.listing.image_signs import IMAGE_SUFFIXES


def image_name(path: str) -> str:
    """The file's name without its folder and image ending, like ISIC's ids.

    Other text after a dot is kept, because an imported id may contain a dot.
    """
    name = PurePath(path)
    return name.stem if name.suffix.lower() in IMAGE_SUFFIXES else name.name
