"""A draining worker that is asked to look after each batch, however fast its batches are."""

import threading
import time

import pytest
from sqlalchemy import event

from base.listed_image import ListedImage
from db.queries.listing import cut_batches, stage_images
from db.queries.runs import add_checkpoint
from db.session import Database, open_database
from db.tables import Run
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.health.upkeep import Upkeep

SECONDS = 1.0


def add_unfinished_batch(database: Database) -> None:
    with database.write() as session:
        checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage("1.jpg", None, None)])
        cut_batches(session, run.id)


def test_asked_all_the_time_it_reads_the_unfinished_batches_a_few_times_a_second(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads each unfinished batch: of a million images, some 16,000."""
    monkeypatch.setattr("worker.health.upkeep.waiting_messages", lambda: 0)  # no broker here
    database = open_database(sqlite_url)
    add_unfinished_batch(database)
    activity = ActivityTracker()
    upkeep = Upkeep(database, activity, DatabaseRetry(activity), lambda *_: None)
    looks = 0

    @event.listens_for(database.engine, "checkout")
    def _count(*_: object) -> None:
        nonlocal looks
        looks += threading.current_thread().name == "upkeep"

    began = time.monotonic()
    upkeep.start(lambda _: None)
    while time.monotonic() < began + SECONDS:
        upkeep.look()
        time.sleep(0.001)  # as a batch of the stub takes; not a wait for anything
    upkeep.stop()
    possible = (time.monotonic() - began) / timing.DRAIN_AGAIN_SECONDS
    database.close()

    # The first round sweeps too: that is a look and two more transactions.
    assert SECONDS / timing.DRAIN_SECONDS < looks <= possible + 3
