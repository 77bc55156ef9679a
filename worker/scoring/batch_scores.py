"""The result of scoring images and the interface of what scores them; between ledger and model."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

from base.arrays import Float32Array
from base.console.foreign import shown
from db.queries.outcomes import Seconds
from db.queries.runs import RunSpec
from db.queries.speeds import Rates
from imaging.errors import ImageError

# From paths to the SHA-256 digests of their files when they were last scored, if they were.
KnownDigests = Callable[[Sequence[str]], dict[str, str]]


# How far rounding in float32 can take a sum of probabilities past 0 or 1. A sigmoid is never
# outside, and logits do not all stay within this margin.
ROUNDING = 1e-6


class WrongModelError(Exception):
    """A model gave a number that is not a score, so none of its numbers can be trusted.

    `found` maps each run to such a score and its path. Leaving only this image out would be wrong:
    it could be among the most suspicious ones.
    """

    def __init__(self, found: dict[int, tuple[float, str]]) -> None:
        super().__init__(found)
        self.found = found

    def reason(self, run_id: int, model: str) -> str:
        """Why the run with the checkpoint file `model` is stopped."""
        score, path = self.found[run_id]
        return (
            f"{model} gave {score:.8g} for {shown(path)}, and a score is in [0, 1]: "
            "this model does not give probabilities"
        )


def is_outside(score: float) -> bool:
    """Whether this number proves that the model does not give probabilities.

    NaN does not prove it: a single odd image can cause it, such as an image of one colour in a
    network that divides by the image's standard deviation, and it says nothing about the scores of
    other images. That image gets the error `bad_score`; stopping the run would leave it unfinished.
    """
    return score < -ROUNDING or score > 1 + ROUNDING


def rounded_in(score: float) -> float:
    """A score that `is_outside` accepted, clipped to [0, 1]; NaN stays NaN."""
    return score if math.isnan(score) else min(max(score, 0.0), 1.0)


class RunScores(NamedTuple):
    """Outcomes of images for one run, by their position among the paths.

    Each position is in `scores` or in `errors`; `notes` are remarks about scores. `orientations`
    are those of EXIF, 1 to 8, of the files that were read. A checkpoint with classes gives the
    `probabilities` `[classes]` of each score, too.
    """

    scores: dict[int, float]
    errors: dict[int, ImageError]
    digests: dict[int, str]
    notes: dict[int, str]
    probabilities: Mapping[int, Float32Array] = MappingProxyType({})
    orientations: Mapping[int, int] = MappingProxyType({})


class BatchScores(NamedTuple):
    """The scores of each run, in the order asked for, and where the time went."""

    runs: list[RunScores]
    seconds: Seconds


class Engine(Protocol):
    """What scores images; see `worker.scoring.engine.ModelEngine`."""

    def prepare(self, spec: RunSpec) -> None:
        """Load all that a run needs.

        Raises:
            CheckpointError: it could not be loaded here.
        """

    def score(
        self, specs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        """Score the images at `paths` for each of `specs`, which must be prepared."""

    def failure(self, digest: str, precision: str) -> Exception | None:
        """Why loading this checkpoint in this precision failed, if it did."""

    @property
    def device(self) -> str:
        """Where scores are computed."""

    def close(self) -> None:
        """Write what is not written yet; the worker is ending."""


@runtime_checkable
class TimedEngine(Protocol):
    """An engine that can say how fast it computes."""

    def rates(self, spec: RunSpec, seconds: float) -> Rates | None:
        """How fast the run's network, which must be loaded, computes here.

        None if that is not known after so many seconds.
        """
