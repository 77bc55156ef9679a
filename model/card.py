"""The model card: what a checkpoint is and how its images are decoded. Needs no TensorFlow."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)

from base.console.foreign import shown
from base.whole_file import whole_file
from model.errors import CheckpointError

Orientation = Literal["ignore", "apply"]
Resize = Literal["bilinear", "bicubic", "nearest", "area", "lanczos"]
# Settings that the first releases did not have.
LATER_SETTINGS = ("orientation", "resize", "antialias", "fit", "rounded")
_ADOPT = "`trainer adopt` makes a checkpoint of a model that was trained elsewhere"


def fit_of(typed: str) -> str:
    """The one spelling of a `fit`: `stretch`, `pad`, `crop`, or `crop:0.875`.

    Raises:
        ValueError: it is none of these.
    """
    if typed in {"stretch", "pad", "crop"}:
        return typed
    kind, _, number = typed.partition(":")
    try:
        fraction = float(number)
    except ValueError:
        fraction = 0.0
    if kind != "crop" or not 0 < fraction <= 1:
        raise ValueError(
            f"{typed!r} is not stretch, pad, crop, or crop:F with F above 0 and at most 1, such as "
            "crop:0.875"
        )
    return "crop" if fraction == 1 else f"crop:{fraction}"


class _Part(BaseModel):
    """A part of a card; a field that this release does not know would be ignored without a word."""

    model_config = ConfigDict(extra="forbid")


class Decode(_Part):
    """How the bytes of an image become a tensor; trainer and worker read it here.

    An empty `dct_method` is TensorFlow's default, the tutorial's. A `ratio` above 1 decodes JPEGs
    at a fraction of their size, faster and with other pixels. `orientation` says whether an image
    is turned as its EXIF says; the tutorial does not. `resize` and `antialias` are those of
    `tf.image.resize`. `fit` says what happens to an image of another shape. `rounded` pixels are
    whole numbers after resizing, and neighbours those of Pillow.
    """

    model_config = ConfigDict(frozen=True)

    height: int = Field(default=299, ge=1, le=4096)
    width: int = Field(default=299, ge=1, le=4096)
    dct_method: Literal["", "INTEGER_FAST", "INTEGER_ACCURATE"] = ""
    ratio: Literal[1, 2, 4, 8] = 1
    orientation: Orientation = "ignore"
    resize: Resize = "bilinear"
    antialias: bool = False
    fit: str = "stretch"
    rounded: bool = False

    _known_fit = field_validator("fit")(fit_of)

    @property
    def crop(self) -> float | None:
        """Which part of the centre is taken, 1 for the largest; None if the image is not cut."""
        kind, _, fraction = self.fit.partition(":")
        return float(fraction or 1) if kind == "crop" else None

    @property
    def lying(self) -> Self:
        """The same for an image that lies on its side: height and width change places."""
        return self.model_copy(update={"height": self.width, "width": self.height})

    @model_serializer(mode="wrap")
    def _without_defaults(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older releases refuse the later fields, and kept features are found by these bytes."""
        return {
            name: value
            for name, value in plain(self).items()
            if name not in LATER_SETTINGS or value != Decode.model_fields[name].default
        }


class Backbone(_Part):
    """The frozen network below the head: what was asked for, and a digest of its weights.

    `features_at` are the inner layers behind which it was cut; empty for the whole network.
    """

    option: str
    digest: str
    description: str
    features_at: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_default(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As cards were before there was a choice: the same training gives the same card."""
        fields: dict[str, Any] = plain(self)
        if not self.features_at:
            del fields["features_at"]
        return fields


class Data(_Part):
    """The images of training and validation, with their SHA-256 digests.

    `images` are those of training; cards of the first release have no `valid_images`.
    """

    train: str
    valid: str
    train_counts: dict[str, int]
    valid_counts: dict[str, int]
    images: list[str]
    valid_images: list[str] = []
    synthetic: bool = False


class Training(_Part):
    """How the head was trained, and which epoch was kept.

    `recipe` holds every option of the training; `history` one figure for each epoch. `note` tells
    readers what they must know about the scores.
    """

    recipe: dict[str, str | int | float | bool | None]
    epochs: int
    best_epoch: int
    history: dict[str, list[float]] = {}
    note: str | None = None


class Threshold(_Part):
    """An operating point chosen before the test images were seen, and how it was chosen."""

    value: float = Field(ge=0, le=1)
    how: str


class OwnerCheck(_Part):
    """How far an adopted model's scores are from its owner's own, on the `n` images of a CSV."""

    largest_difference: float = Field(ge=0)
    n: int = Field(ge=1)
    file: str
    digest: str


class Adopted(_Part):
    """The model that `trainer adopt` made the checkpoint from, and what was said of it.

    `digest` is that of the file, or of the names and bytes of a folder's files. `check` is None
    where the scores were not compared with its owner's.
    """

    file: str
    format: str
    digest: str
    input_range: str
    activation: str
    check: OwnerCheck | None = None


class Difference(_Part):
    """How far the scores of a quantised checkpoint are from the float32 one's, on `n` images.

    `mean` and `largest` are of the absolute differences. `turned` decisions are others at
    `threshold`. Both ROC AUCs are None where the images have no labels of both classes.
    """

    n: int = Field(ge=1)
    mean: float = Field(ge=0)
    largest: float = Field(ge=0)
    threshold: float = Field(ge=0, le=1)
    turned: int = Field(ge=0)
    roc_auc: float | None = None
    roc_auc_float32: float | None = None


class Quantised(_Part):
    """What `trainer quantise` made of the checkpoint with the digest `float32`.

    `images` are the SHA-256 digests of the images that the ranges of numbers were measured on.
    `head` says whether the head is that of the float32 checkpoint. `note` tells readers what they
    must know about the threshold.
    """

    float32: str = Field(pattern=r"^[0-9a-f]{64}$")
    method: str
    seed: int
    images: list[str]
    head: Literal["kept", "fitted"] = "kept"
    versions: dict[str, str] = {}
    difference: Difference | None = None
    note: str | None = None


class ModelCard(_Part):
    """The JSON file next to a checkpoint. `validation` holds loss, accuracy and ROC AUC.

    `output` is the maker's promise that a network without a sigmoid at its end, such as a mean of
    several, gives a probability all the same. `classes` are the names of the network's outputs, in
    their order, and `positive` those whose probabilities add up to the score; both are empty for a
    network of one output.
    """

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    decode: Decode
    class_names: tuple[str, str] = ("benign", "malignant")
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    output: Literal["probability"] | None = None
    backbone: Backbone | None = None
    data: Data | None = None
    training: Training | None = None
    validation: dict[str, float | None] = {}
    threshold: Threshold | None = None
    versions: dict[str, str] = {}
    adopted: Adopted | None = None
    quantised: Quantised | None = None

    @model_serializer(mode="wrap")
    def _without_unset(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Cards of one float32 score that adopt nothing are written as by the releases before."""
        fields: dict[str, Any] = plain(self)
        for name in ("classes", "positive", "adopted", "quantised"):
            if not fields[name]:
                del fields[name]
        return fields

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """The card next to `checkpoint`.

        Raises:
            CheckpointError: there is no card, or it is not a valid one.
        """
        path = card_path(checkpoint)
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise CheckpointError(
                f"{checkpoint} has no model card: {path.name} must lie next to it and says "
                f"how images are decoded; without it scores could look right and be wrong; {_ADOPT}"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{path}: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "JSON"
            if first["type"] == "extra_forbidden":
                raise CheckpointError(_unknown(path, field)) from error
            raise CheckpointError(f"{path} is not a model card: {field}: {first['msg']}") from error

    def as_json(self) -> dict[str, Any]:
        """The card as plain JSON types, as the `checkpoints` table keeps it."""
        # Through text, in which NaN becomes null: PostgreSQL accepts no NaN.
        card: dict[str, Any] = json.loads(self.model_dump_json())
        return card

    def write(self, checkpoint: Path) -> None:
        """Write the card next to `checkpoint`, whole or not at all."""
        with whole_file(card_path(checkpoint)) as draft:
            draft.write_text(json.dumps(self.as_json(), indent=2) + "\n")


def _unknown(path: Path, field: str) -> str:
    return (
        f"{path} holds {shown(field)}, which this release of dermscore does not know, so the "
        "scores could be wrong: correct the name, take it out, or install the release "
        "that wrote the card"
    )


def card_path(checkpoint: Path) -> Path:
    """The path of a checkpoint's card: the same name, ending in .json."""
    return checkpoint.with_suffix(".json")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(checkpoint: Path) -> Iterator[BufferedReader]:
    """Open the file for reading.

    Raises:
        CheckpointError: it is missing, or reading fails.
    """
    try:
        with checkpoint.open("rb") as file:
            yield file
    except OSError as error:
        raise CheckpointError(f"checkpoint {checkpoint}: {error.strerror}") from error


def claimed_card(checkpoint: Path) -> ModelCard:
    """The card next to a .keras file; only the digest can show whether it belongs to the file.

    Raises:
        CheckpointError: the file is missing, not a .keras file, or has no card.
    """
    if checkpoint.suffix != ".keras":
        raise CheckpointError(
            f"{checkpoint} is not a .keras file: other formats can load wrongly without an error; "
            f"{_ADOPT}"
        )
    with opened(checkpoint):  # a missing file should be reported first
        return ModelCard.read(checkpoint)


def require_digest(checkpoint: Path, card: ModelCard, digest: str) -> None:
    """Refuse a file that is not the one that the card describes.

    Raises:
        CheckpointError: its digest differs.
    """
    if card.digest != digest:
        raise CheckpointError(
            f"{checkpoint} is not the file its model card describes: digest {digest[:12]}, "
            f"the card says {card.digest[:12]}; it was cut short, or replaced"
        )


def read_checkpoint_card(checkpoint: Path) -> ModelCard:
    """The card of a checkpoint, if its bytes are those that the card describes.

    Raises:
        CheckpointError: it is missing, not a .keras file, without a card, or has another digest.
    """
    card = claimed_card(checkpoint)
    require_digest(checkpoint, card, file_digest(checkpoint))
    return card
