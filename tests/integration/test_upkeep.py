"""A draining worker that is asked to look after each batch, however fast its batches are."""

import threading
import time

import pytest
from sqlalchemy import event
from stored import enlist

from db.session import open_database
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.health.upkeep import Upkeep

SECONDS = 1.0


def test_asked_all_the_time_it_reads_the_unfinished_batches_a_few_times_a_second(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look reads each unfinished batch: of a million images, some 16,000."""
    monkeypatch.setattr("worker.health.upkeep.waiting_messages", lambda: 0)  # no broker here
    database = open_database(sqlite_url)
    enlist(database, 1)
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
