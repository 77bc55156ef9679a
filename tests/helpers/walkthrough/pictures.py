"""Pictures of a page: made from what its commands drew, and compared with it."""

import shutil
from pathlib import Path

import numpy as np
from browser import NAMES, browser
from PIL import Image

from walkthrough.page import Picture

_WIDEST = 1200  # pixels
_COLOURS = 96
# A picture that takes more bytes is made smaller.
_LARGEST, _WIDTHS = 140_000, (1000, 800, 700, 600, 500)
# Compared is how a picture looks from afar: another font or processor moves some of its pixels.
_GRID = (24, 24)
_DIFFERENT = 0.02  # mean difference of grey, from 0 to 1


def taken(picture: Picture, folder: Path) -> Image.Image | None:
    """The picture of a file in the folder; None if it takes a browser and there is none."""
    name, _, anchor = picture.source.partition("#")
    source = next(folder.glob(name))
    if picture.size is None:
        with Image.open(source) as found:
            image = found.convert("RGB")
    elif any(map(shutil.which, NAMES)):
        image = _photographed(source, anchor, picture.size)
    else:
        return None
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, round(image.height * _WIDEST / image.width)))
    return image


def write(image: Image.Image, file: Path) -> None:
    """Write it in few bytes, unless the file looks like it already."""
    if file.exists() and alike(image, file):
        return
    file.parent.mkdir(exist_ok=True)
    for width in (image.width, *_WIDTHS):
        small = image.resize((width, round(image.height * width / image.width)))
        few = small.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True)
        if file.stat().st_size < _LARGEST:
            return


def alike(image: Image.Image, file: Path) -> bool:
    """Whether the picture in the file shows the same."""
    with Image.open(file) as found:
        if abs(found.width / found.height - image.width / image.height) > 0.02:
            return False
        difference = np.abs(_seen(found.convert("RGB")) - _seen(image))
    return bool(difference.mean() <= _DIFFERENT)


def _seen(image: Image.Image) -> np.ndarray:
    small = image.convert("L").resize(_GRID, Image.Resampling.BOX)
    return np.asarray(small, np.float64) / 255


def _photographed(page: Path, anchor: str, size: tuple[int, int]) -> Image.Image:
    """What a browser shows of a page from an anchor on, in letters that are sharp."""
    shot = page.with_suffix(".shot.png")
    width, height = size
    with (
        browser() as chrome,
        chrome.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=1.5
        ) as context,
    ):
        opened = context.new_page()
        opened.goto(f"{page.as_uri()}#{anchor}")
        opened.screenshot(path=shot)
    with Image.open(shot) as found:
        return found.convert("RGB")
