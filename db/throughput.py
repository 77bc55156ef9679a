"""Defines `images/s`, wherever it is shown. Pure.

For a run, in `producer status` and in the bar of `--wait` and `--watch`: over the batches of the
run. For a worker, in its log and its metric: over the batches of the run that it finished itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_SECONDS = 60.0
# How long a finished batch can matter: one window, and as long again as the next batch may take.
KEPT_SECONDS = 2 * WINDOW_SECONDS


class Finished(NamedTuple):
    """A batch that was finished.

    `finished_at` is in seconds since 1970 by the ledger's clock, `seconds` is how long it took, and
    `images` is how many images got their outcome in it.
    """

    finished_at: float
    seconds: float
    images: int

    @property
    def began(self) -> float:
        """When its work began."""
        return self.finished_at - self.seconds

    def and_next(self, batch: "Finished") -> "Finished":
        """Both as one batch: there can be tens of thousands of batches that take milliseconds."""
        began = min(self.began, batch.began)
        return Finished(batch.finished_at, batch.finished_at - began, self.images + batch.images)


def images_per_second(batches: Sequence[Finished], now: float) -> float:
    """Images per second over the last minute, or since the work began if that is less.

    The images of a batch are spread evenly over the seconds that it took, so a batch that began
    before the minute counts in part. While the next batch takes no longer than the longest of
    `batches` did, the minute ends with the last of them; after that idle time counts, and an idle
    run or worker is at 0 within two minutes.
    """
    kept = [batch for batch in batches if batch.finished_at > now - KEPT_SECONDS]
    if not kept:
        return 0.0
    patience = min(max(batch.seconds for batch in kept), WINDOW_SECONDS)
    end = max(now - patience, *(batch.finished_at for batch in kept))
    recent = [batch for batch in kept if batch.finished_at > end - WINDOW_SECONDS]
    start = max(min((batch.began for batch in recent), default=end), end - WINDOW_SECONDS)
    if start >= end:
        return 0.0
    return sum(_images_since(batch, start) for batch in recent) / (end - start)


def seconds_left(pending: int, rate: float) -> float | None:
    """How long `pending` images take at `rate` images per second; None if unknown."""
    return pending / rate if pending and rate else None


def _images_since(batch: Finished, start: float) -> float:
    if batch.began >= start:
        return batch.images
    return batch.images * (batch.finished_at - start) / batch.seconds
