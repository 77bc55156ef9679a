"""What `producer resume` and `producer retry` do: publish unfinished batches again."""

from collections.abc import Sequence

from base.console.telling import tell
from db.queries.refusals import forget_refusals
from db.queries.retry import clear_errors
from db.queries.runs import get_run
from db.queries.unfinished import unfinished_runs
from db.session import open_database
from producer.enqueue import batch_count, publish_unfinished


def resume(run: str | None) -> None:
    """Publish every unfinished batch of the run, or of all runs, that no worker holds.

    A run that was stopped because of its model's scores is tried again.
    """
    database = open_database(must_exist=True)
    with database.read() as session:
        runs = unfinished_runs(session) if run is None else [get_run(session, run).id]
    with database.write() as session:
        forget_refusals(session, runs, stops=True)
    sent = {run_id: publish_unfinished(database, [run_id]) for run_id in runs}
    for run_id, batches in sent.items():
        if batches:
            tell(f"run {run_id}: {batch_count(batches)} enqueued")
    if not any(sent.values()):
        tell("no batch needs to be sent again")


def retry(run: str | None, codes: Sequence[str]) -> None:
    """Clear these errors of the run (the newest if None), and publish their images again."""
    database = open_database(must_exist=True)
    with database.write() as session:
        run_id = get_run(session, run).id
        cleared = clear_errors(session, run_id, codes)
    if not cleared:
        tell(f"run {run_id}: no image has the error {' or '.join(codes)}")
        return
    images = ", ".join(f"{count} {code}" for code, count in sorted(cleared.items()))
    batches = publish_unfinished(database, [run_id])
    tell(f"run {run_id}: {images} cleared, {batch_count(batches)} enqueued")
    tell("next: celery -A worker worker --drain")
