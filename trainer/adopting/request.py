"""The request of a `trainer adopt` command. Needs no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

from model.card import Resize


@dataclass(frozen=True)
class Preprocessing:
    """How the owner of a model makes its input of an image file."""

    input_range: str
    resize: Resize = "bilinear"
    antialias: bool = False
    fit: str = "stretch"


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
