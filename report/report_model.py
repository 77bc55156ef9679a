"""What a report is made of, whatever it is shown as."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from base.console.foreign import shown
from report.metrics.metrics import Metrics
from report.metrics.subgroups import Subgroup
from report.thresholds.threshold import Threshold

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
    """Which model gave the scores; `digest` is the SHA-256 of `file` in hex.

    `imported` says from which file and column scores came that no checkpoint gave; `digest` is then
    of both.
    """

    file: str
    digest: str
    synthetic: bool
    imported: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many images got this label from a class folder, or from a column of their manifest.

    Both are None where it is not known any more which it was.
    """

    label: int
    images: int
    folder: str | None = None
    column: str | None = None


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
    labels: tuple[Labelled, ...] = ()  # of the labelled ones, malignant first; none of imports


def is_synthetic(card: Mapping[str, Any]) -> bool:
    """Whether a model card says that its images were drawn."""
    data = card.get("data")
    return isinstance(data, Mapping) and data.get("synthetic") is True


def imported_from(card: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Where scores came from that were imported: file, sha256, column, truth, truth_sha256."""
    facts = card.get("imported")
    return facts if isinstance(facts, Mapping) else None


def imported(facts: Mapping[str, str]) -> str:
    """What a reader must know of scores that no worker computed."""
    return (
        f"imported scores: column {shown(facts['column'])} of {shown(facts['file'])} "
        f"(SHA-256 {facts['sha256'][:12]}), not computed by dermscore"
    )


def trained_on(flow: Flow) -> str:
    """What a reader must know of scored images that the checkpoint was trained on."""
    return (
        f"warning: the checkpoint was trained on {flow.trained_on} of the {flow.scored} scored "
        "images: these figures flatter it"
    )


def optimistic(threshold: Threshold, scored: int) -> str:
    """What a reader must know of a threshold that these very images, or some of them, chose."""
    chosen, overlap = threshold.chosen_on, threshold.overlap
    which = "these images" if overlap >= scored else f"{overlap} of the {scored} scored images"
    where = "in training" if chosen is None else f"run {chosen.run}"
    return (
        f"warning: the threshold was chosen on {which} ({where}): the figures at it are optimistic"
    )


class Answers(NamedTuple):
    """How many of these images are positive at the report's threshold."""

    positive: int = 0
    images: int = 0

    @property
    def negative(self) -> int:
        """The others."""
        return self.images - self.positive


@dataclass(frozen=True, slots=True)
class Report:
    """One run at one threshold; `unlabelled` are its scored images without a label."""

    run: RunFacts
    checkpoint: CheckpointFacts
    flow: Flow
    threshold: Threshold
    figures: Metrics
    subgroups: tuple[Subgroup, ...] = ()
    unlabelled: Answers = field(default_factory=Answers)

    @property
    def answers(self) -> Answers:
        """Of all scored images, labelled or not."""
        table = self.figures.confusion
        return Answers(
            table.positive + self.unlabelled.positive, table.total + self.unlabelled.images
        )
