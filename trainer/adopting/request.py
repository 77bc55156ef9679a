"""The request of a `trainer adopt` command. Needs no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

from model.card import Resize
from trainer.adopting.ranges import Library

# Those of Pillow's methods that smooth; OpenCV's do not.
SMOOTHED = ("bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class Preprocessing:
    """How the owner of a model makes its input of an image file, and with which `library`."""

    input_range: str
    resize: Resize = "bilinear"
    antialias: bool = False
    fit: str = "stretch"
    library: Library = "tensorflow"

    @property
    def smoothed(self) -> bool:
        """Whether pixels are smoothed while the image gets smaller."""
        return self.antialias or (self.library == "pillow" and self.resize in SMOOTHED)


@dataclass(frozen=True)
class AdoptRequest:
    """What was said of a model.

    `size` is (height, width); None, like an `activation` of None, is what the file says.
    """

    source: Path
    output: Path
    preprocessing: Preprocessing
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    activation: str | None = None
    custom: Path | None = None
    trust: bool = False
    check: Path | None = None
    tolerance: float = 1e-3
