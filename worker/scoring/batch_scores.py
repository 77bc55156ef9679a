"""What scoring images gives, and what does it: the words between ledger and model."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from base.console.foreign import shown
from db.queries.outcomes import Seconds
from db.queries.runs import RunSpec
from imaging.errors import ImageError

# Paths to the SHA-256 digests that they had when they were last scored, of those that were.
KnownDigests = Callable[[Sequence[str]], dict[str, str]]


# By so much float32 rounds a sum of probabilities past 0 or 1; a sigmoid never does, and logits do
# not all stay within it.
ROUNDING = 1e-6


class WrongModelError(Exception):
    """A model gave a number that is no score, and so its other numbers are none either.

    `found` holds score and path by run. Left out of the run, such an image would be one of those
    that are most suspicious.
    """

    def __init__(self, found: dict[int, tuple[float, str]]) -> None:
        super().__init__(found)
        self.found = found

    def reason(self, run_id: int, model: str) -> str:
        """Why the run is stopped, whose checkpoint is the file `model`."""
        score, path = self.found[run_id]
        return (
            f"{model} gave {score:.8g} for {shown(path)}, and a score is in [0, 1]: "
            "what this model gives are no probabilities"
        )


def is_outside(score: float) -> bool:
    """Whether a model that gives this gives no probabilities.

    NaN does not say that: one odd image can make it, such as one of a single colour to a network
    that divides by an image's own deviation, and it says nothing about the scores of others. Its
    image is an error, `bad_score`; a run that it stopped would never come to its end.
    """
    return score < -ROUNDING or score > 1 + ROUNDING


def rounded_in(score: float) -> float:
    """The score in [0, 1] of one that is not outside, NaN for NaN."""
    return score if math.isnan(score) else min(max(score, 0.0), 1.0)


class RunScores(NamedTuple):
    """Outcomes of images for one run, by their position among the paths.

    Each position is in `scores` or in `errors`; `notes` say what is remarkable about a score.
    """

    scores: dict[int, float]
    errors: dict[int, ImageError]
    digests: dict[int, str]
    notes: dict[int, str]


class BatchScores(NamedTuple):
    """One outcome for each run, in the order asked for, and where the time went."""

    runs: list[RunScores]
    seconds: Seconds


class Engine(Protocol):
    """What scores images; see `worker.scoring.engine.ModelEngine`."""

    def prepare(self, spec: RunSpec) -> None:
        """Have all that a run asks for at hand.

        Raises:
            CheckpointError: it was not found here.
        """

    def score(
        self, specs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        """Score the images at `paths` for each of `specs`, which were prepared."""

    def failure(self, digest: str, precision: str) -> Exception | None:
        """Why a checkpoint cannot be had in this precision, if it was tried in vain."""

    @property
    def device(self) -> str:
        """Where scores are computed."""

    def close(self) -> None:
        """The worker ends: publish what waits."""
