"""Reports a stored batch: in metrics, its trace, and a line of the log."""

import logging
from collections.abc import Sequence

from db.queries.outcomes import Outcome, Seconds
from db.queries.runs import RunSpec
from db.throughput import Finished
from worker.observability import metrics, tracing
from worker.scoring.file_work import Leased

log = logging.getLogger(__name__)


def batch_stored(
    leased: Leased,
    specs: Sequence[RunSpec],
    outcomes: Sequence[Outcome],
    seconds: Seconds,
    finished: Finished | None,
) -> None:
    """Report batches of these runs that were stored together."""
    rate = metrics.batches_ended(specs, outcomes, seconds, finished)
    tracing.stages(seconds)
    errors = sum(outcome.error is not None for outcome in outcomes)
    parts = ", ".join(f"{part} {value:.2f}" for part, value in seconds._asdict().items())
    log.info(
        "%s: %d images, %d error%s, %.1f images/s (%s s)",
        leased,
        len(leased.files),
        errors,
        "" if errors == 1 else "s",
        rate,
        parts,
    )
