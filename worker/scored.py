"""What scoring images gives, and what does it: the words between ledger and model."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from db.outcomes import Seconds
from db.runs import Needs
from model.errors import ImageError

# Paths to the SHA-256 digests that they had when they were last scored, of those that were.
KnownDigests = Callable[[Sequence[str]], dict[str, str]]


class RunScores(NamedTuple):
    """Outcomes of images for one run, by their position among the paths.

    Each position is in `scores` or in `errors`; `notes` say what is remarkable about a score.
    """

    scores: dict[int, float]
    errors: dict[int, ImageError]
    digests: dict[int, str]
    notes: dict[int, str]


class Scored(NamedTuple):
    """One outcome for each run, in the order asked for, and where the time went."""

    runs: list[RunScores]
    seconds: Seconds


class Engine(Protocol):
    """What scores images; see `worker.engine.ModelEngine`."""

    def prepare(self, needs: Needs) -> None:
        """Have all that a run asks for at hand.

        Raises:
            CheckpointError: it is not to be had here.
        """

    def score(self, runs: Sequence[Needs], paths: Sequence[str], known: KnownDigests) -> Scored:
        """Score the images at `paths` for each of `runs`, which were prepared."""

    def failure(self, digest: str, precision: str) -> Exception | None:
        """Why a checkpoint cannot be had in this precision, if it was tried in vain."""

    @property
    def device(self) -> str:
        """Where scores are computed."""

    def close(self) -> None:
        """The worker ends: publish what waits."""
