"""How a checkpoint is trained; the defaults are the tutorial's settings."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

from model.card import LATER_SETTINGS, Decode, Orientation, Resize

Balance = Literal["none", "weights", "oversample"]
Epoch = Literal["best", "last"]
Ratio = Literal[1, 2, 4, 8]
# Settings that later releases added, off by default.
_LATER = ("features_at", "prior_init")


@dataclass(frozen=True)
class Recipe:
    """All settings of a training, apart from its images.

    `features_at` are the layers where the backbone ends, separated by commas; `decode_ratio`,
    `orientation`, `resize`, `antialias` and `fit` are settings of the card's `decode`;
    `weight_decay` is decoupled from the loss; `augment` is the number of feature rows for each
    training image, the plain one included; `epoch` says which epoch becomes the checkpoint, and
    `keep` how many of the best do.
    """

    backbone: str
    features_at: str = ""
    decode_ratio: Ratio = 1
    orientation: Orientation = "ignore"
    resize: Resize = "bilinear"
    antialias: bool = False
    fit: str = "stretch"
    epochs: int = 100
    batch_size: int = 64
    optimizer: str = "rmsprop"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int | None = None
    seed: int = 7
    balance: Balance = "none"
    standardise: bool = False
    unit_norm: bool = False
    zero_init: bool = False
    prior_init: bool = False
    epoch: Epoch = "best"
    augment: int = 1
    fine_tune: int = 0
    fine_tune_epochs: int = 10
    keep: int = 1

    @property
    def decode(self) -> Decode:
        """How the images are decoded, in training and in scoring."""
        return Decode(
            ratio=self.decode_ratio,
            orientation=self.orientation,
            resize=self.resize,
            antialias=self.antialias,
            fit=self.fit,
        )

    def settings(self) -> dict[str, Any]:
        """All of them by name, as a card shows them.

        Those that later releases added are left out at their defaults: the same training gives the
        same bytes and resumes what an older release began.
        """
        decode = self.decode.model_dump()
        usual = {name for name in LATER_SETTINGS if name not in decode}
        usual |= {name for name in _LATER if not getattr(self, name)}
        return {name: value for name, value in asdict(self).items() if name not in usual}

    @property
    def layers(self) -> list[str]:
        """The layers of `features_at`, each once; empty for the whole backbone."""
        names = self.features_at.split(",") if self.features_at else []
        return list(dict.fromkeys(name.strip() for name in names))

    def key(self, digests: list[str]) -> str:
        """A digest of everything that must match to continue a training, as 12 hex digits.

        The number of epochs may differ: an interrupted training may continue for longer.
        """
        fields = {name: value for name, value in self.settings().items() if name != "epochs"}
        text = repr((sorted(fields.items()), digests))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The tutorial's name for a model with this recipe."""
        return f"benign-vs-malignant_{self.batch_size}_{self.optimizer}"

    def file_name(self, loss: float) -> str:
        """The tutorial's name for a checkpoint with this validation loss."""
        return f"{self.name}_{loss:.3f}.keras"
