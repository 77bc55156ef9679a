"""The contents of a report, independent of how they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from base.console.foreign import shown
from db.queries.report.imports import NO_SCORE
from db.views import in_words
from report.clustering.figures import ClusterFacts
from report.clustering.units import UnitFacts
from report.left_out.by_class import ByClass
from report.metrics.classes import ClassFigures
from report.metrics.metrics import Metrics
from report.metrics.subgroups import Subgroup
from report.thresholds.threshold import Threshold

SYNTHETIC = "synthetic images: these figures say nothing about patients"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The run that the figures describe; its scores are means over as many `views` of an image."""

    number: int
    name: str | None
    source: str
    precision: str
    views: int = 1


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """Which model gave the scores; `digest` is the SHA-256 of `file` in hex.

    For imported scores, `imported` names their file and column, and `digest` covers both. For
    scores that are means of other runs' scores, `combined` names these runs, and `digest` covers
    their checkpoints. `unchecked` names the file of an
    adopted model that was never compared with its owner's scores. A `quantised` one was also
    calibrated on images, which count as trained on.
    """

    file: str
    digest: str
    synthetic: bool
    imported: Mapping[str, str] | None = None
    combined: Mapping[str, Any] | None = None
    unchecked: str | None = None
    quantised: bool = False

    @property
    def names_only(self) -> bool:
        """Whether images are known by their names, without their folders."""
        return self.imported is not None or bool(self.combined and self.combined["names_only"])


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many images got this label from a class folder, or from a column of their manifest.

    Both are None if the origin of the label is no longer known.
    """

    label: int
    images: int
    folder: str | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Paths of images that warnings name.

    `gone` are some that are gone from the source, `copies` a copy and the image that it is of,
    `opposed` a malignant and a benign image of the same bytes.
    """

    gone: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    opposed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """Images from the listing to the analysis; `analysed` are both scored and labelled.

    `gone` are no longer in the source, `copies` have the bytes of another scored image, and
    `copies_left_out` of these are not analysed; `conflicting` counts files of both labels. `turned`
    are scored images that EXIF says to turn, which the checkpoint does not do. `no_score` are
    images that imported or combined scores hold none for; they are not among the `unreadable`.
    """

    listed: int
    unreadable: int
    scored: int
    labelled: int
    analysed: int
    errors: Mapping[str, int]  # by error code, most frequent first
    trained_on: int = 0  # scored images that the checkpoint was trained on, by their bytes
    labels: tuple[Labelled, ...] = ()  # malignant first; empty for imported runs
    gone: int = 0
    copies: int = 0
    copies_left_out: int = 0
    conflicting: int = 0
    turned: int = 0
    examples: Examples = field(default_factory=Examples)
    no_score: int = 0
    by_class: ByClass = field(default_factory=ByClass)

    @property
    def unscored(self) -> int:
        """Images without a score, whatever the reason."""
        return self.unreadable + self.no_score

    @property
    def unreadable_codes(self) -> tuple[str, ...]:
        """The error codes of the unreadable images."""
        return tuple(code for code in self.errors if code != NO_SCORE)


def is_synthetic(card: Mapping[str, Any]) -> bool:
    """Whether the model card says that the images are synthetic."""
    data = card.get("data")
    return isinstance(data, Mapping) and data.get("synthetic") is True


def image_digests(card: Mapping[str, Any], which: str) -> list[str]:
    """The SHA-256 digests of `images` (of training) or `valid_images` in a model card.

    Images that a quantised checkpoint was calibrated on count as images of training.
    """
    parts = [card.get("data"), card.get("quantised") if which == "images" else None]
    lists = [part.get(which) for part in parts if isinstance(part, Mapping)]
    digests = [str(digest) for one in lists if isinstance(one, list) for digest in one]
    return list(dict.fromkeys(digests))


def unchecked_in(card: Mapping[str, Any]) -> str | None:
    """The file of an adopted model without a check, by its card."""
    adopted = card.get("adopted")
    if not isinstance(adopted, Mapping) or adopted.get("check"):
        return None
    return str(adopted.get("file"))


def unchecked(file: str) -> str:
    """The warning that nothing shows whether an adopted model is scored as by its owner."""
    return f"warning: adopted from {shown(file)}, and not checked against its owner's predictions"


def imported_from(card: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The origin of imported scores: file, sha256, column, truth, truth_sha256, maybe model."""
    facts = card.get("imported")
    return facts if isinstance(facts, Mapping) else None


def imported(facts: Mapping[str, str]) -> str:
    """The warning that no worker computed the scores."""
    model = f" of {shown(facts['model'])}" if "model" in facts else ""
    return (
        f"imported scores{model}: column {shown(facts['column'])} of {shown(facts['file'])} "
        f"(SHA-256 {facts['sha256'][:12]}), not computed by dermscore"
    )


def combined(facts: Mapping[str, Any]) -> str:
    """The line that says of which runs' scores the scores are means."""
    members = facts["members"]
    runs = ", ".join(str(member["run"]) for member in members)
    checkpoints = ", ".join(_checkpoint(member) for member in members)
    if facts["how"] == "rank":
        return (
            f"mean of the ranks in runs {runs} (checkpoints {checkpoints}): ranks are no "
            "probabilities, so the calibration and the Brier score say nothing"
        )
    return f"mean of runs {runs} (checkpoints {checkpoints})"


def _checkpoint(member: Mapping[str, Any]) -> str:
    views = in_words(member["views"])
    return f"{shown(member['checkpoint'])} {member['digest'][:12]}{f', {views}' if views else ''}"


def trained_on(flow: Flow, *, quantised: bool) -> str:
    """The warning that the checkpoint was trained, or calibrated, on some of the scored images."""
    how = "trained or calibrated" if quantised else "trained"
    return (
        f"warning: the checkpoint was {how} on {flow.trained_on} of the {flow.scored} scored "
        "images: these figures flatter it"
    )


def gone(flow: Flow, *, named: bool) -> str:
    """The warning that the run holds images that its source no longer lists."""
    such = f" ({', '.join(map(shown, flow.examples.gone))})" if named else ""
    return (
        f"warning: {flow.gone} of the {flow.listed} listed images are no longer in the source"
        f"{such}: enqueue it again with --prune to take them out"
    )


def copies(flow: Flow, *, named: bool) -> str:
    """The warning that images are counted more than once, by their bytes."""
    images = "1 image is a copy" if flow.copies == 1 else f"{flow.copies} images are copies"
    such = ", such as {} of {}".format(*map(shown, flow.examples.copies)) if named else ""
    opposed = f"; {both_labels(flow, named=named)}" if flow.conflicting else ""
    return f"warning: {images} by the bytes{such}{opposed}; --unique analyses each file once"


def both_labels(flow: Flow, *, named: bool) -> str:
    """How many files carry both labels, and two images of one of them."""
    files = "1 file carries" if flow.conflicting == 1 else f"{flow.conflicting} files carry"
    if not named:
        return f"{files} both labels"
    malignant, benign = map(shown, flow.examples.opposed)
    return f"{files} both labels, such as {malignant} (malignant) and {benign} (benign)"


def turned(flow: Flow) -> str:
    """The warning that images were not scored the way up that EXIF asks for."""
    images = "1 image is" if flow.turned == 1 else f"{flow.turned} images are"
    which = "it was" if flow.turned == 1 else "they were"
    return (
        f"warning: {images} stored turned (EXIF orientation), and the checkpoint does not turn "
        f"them: {which} scored as stored; trainer train --orientation apply makes one that does"
    )


def optimistic(threshold: Threshold, scored: int) -> str:
    """The warning that the threshold was chosen on some or all of the scored images."""
    chosen, overlap = threshold.chosen_on, threshold.overlap
    which = "these images" if overlap >= scored else f"{overlap} of the {scored} scored images"
    where = "in training" if chosen is None else f"run {chosen.run}"
    return (
        f"warning: the threshold was chosen on {which} ({where}): the figures at it are optimistic"
    )


def other_model(threshold: Threshold) -> str:
    """The warning that the threshold was chosen on scores of another checkpoint."""
    chosen = threshold.chosen_on
    return (
        "warning: the threshold was chosen on the scores of another checkpoint, "
        f"{shown(chosen.other or '') if chosen else ''}: its scores may spread otherwise"
    )


class Answers(NamedTuple):
    """How many of these images are positive at the report's threshold."""

    positive: int = 0
    images: int = 0

    @property
    def negative(self) -> int:
        """How many are negative."""
        return self.images - self.positive


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Figures of all classes, and the scored images that they are not computed of.

    `origin` says from which columns the true class is. `without` have no diagnosis, `others` one
    that is no class, by diagnosis, and `unstored` no probabilities.
    """

    origin: str
    figures: ClassFigures
    without: int
    others: Mapping[str, int]
    unstored: int


@dataclass(frozen=True, slots=True)
class Report:
    """One run at one threshold; `unlabelled` are its scored images without a label.

    With `units`, these are what is counted instead of images. `repeats` is a column by which images
    should be clustered and are not.
    """

    run: RunFacts
    checkpoint: CheckpointFacts
    flow: Flow
    threshold: Threshold
    figures: Metrics
    subgroups: tuple[Subgroup, ...] = ()
    unlabelled: Answers = field(default_factory=Answers)
    classes: ClassReport | None = None
    clusters: ClusterFacts | None = None
    units: UnitFacts | None = None
    repeats: str | None = None

    @property
    def worst_case_of(self) -> ByClass:
        """The unscored images of the worst case; none with `units`, which are not images."""
        return self.flow.by_class if self.units is None else ByClass()

    @property
    def answers(self) -> Answers:
        """Of all scored images, labelled or not."""
        table = self.figures.confusion
        return Answers(
            table.positive + self.unlabelled.positive, table.total + self.unlabelled.images
        )
