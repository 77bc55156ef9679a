"""The one task: score a batch."""

from db.queries.ledger import BatchKey
from worker.celery import app


@app.task(name="worker.tasks.score_batch")  # type: ignore[untyped-decorator] # celery has no types
def score_batch(run_id: int, number: int) -> None:
    """Score the images of a batch that have no prediction yet; twice is as good as once."""
    # Deferred: the producer imports this module to publish, and needs none of the model.
    from worker.lifecycle import current_process

    current_process().score(BatchKey(run_id, number))
