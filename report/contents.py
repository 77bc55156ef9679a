"""What a report is made of, whatever it is shown as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from report.metrics import Figures
from report.subgroups import Subgroup
from report.threshold import Threshold

SYNTHETIC = "synthetic images: these figures say nothing about patients"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run the figures are of."""

    number: int
    name: str | None
    source: str
    precision: str


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """Which model gave the scores; `digest` is the SHA-256 of `file` in hex."""

    file: str
    digest: str
    synthetic: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """Images from the listing to the analysis; `analysed` are both scored and labelled."""

    listed: int
    unreadable: int
    scored: int
    labelled: int
    analysed: int
    errors: Mapping[str, int]  # by error code, most frequent first
    trained_on: int = 0  # scored images whose bytes the checkpoint was trained on


def is_synthetic(card: Mapping[str, Any]) -> bool:
    """Whether a model card says that its images were drawn."""
    data = card.get("data")
    return isinstance(data, Mapping) and data.get("synthetic") is True


def trained_on(flow: Flow) -> str:
    """What a reader must know of scored images that the checkpoint was trained on."""
    return (
        f"warning: the checkpoint was trained on {flow.trained_on} of the {flow.scored} scored "
        "images: these figures flatter it"
    )


@dataclass(frozen=True, slots=True)
class Report:
    """One run at one threshold."""

    run: RunFacts
    checkpoint: CheckpointFacts
    flow: Flow
    threshold: Threshold
    figures: Figures
    subgroups: tuple[Subgroup, ...] = ()
