"""The one task: score a batch."""

from db.queries.leases import BatchKey
from worker.celery import app
from worker.process import current_process
from worker.publish import SCORE_BATCH


@app.task(name=SCORE_BATCH)  # type: ignore[untyped-decorator] # celery has no types
def score_batch(run_id: int, batch_number: int) -> None:
    """Score the images of a batch that have no prediction yet; scoring twice does no harm."""
    current_process().score(BatchKey(run_id, batch_number))
