"""What an image is called where its folder is not known."""

from pathlib import PurePath

_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")


def image_name(path: str) -> str:
    """The file's name without folder and without the ending of an image, as ISIC's ids are.

    Nothing else that follows a dot is taken off: an imported id may have one.
    """
    name = PurePath(path)
    return name.stem if name.suffix.lower() in _ENDINGS else name.name
