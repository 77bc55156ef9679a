"""What a worker's threads are at: deadlines, leases to renew, and single images alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from faults import colour_site, stub_worker
from processes import PATIENCE, error_lines

from base.read_write_lock import ReadWriteLock
from db.queries.leases import BatchKey
from worker.health.activity import ActivityTracker

FIRST, SECOND = BatchKey(1, 1), BatchKey(1, 2)


def test_what_takes_too_long_is_overdue_until_it_ends() -> None:
    activity = ActivityTracker(hang_seconds=0)
    assert activity.overdue() is None
    with activity.track("batch 1"):
        late = activity.overdue()
        assert late is not None
        assert late.what == "batch 1"
    assert activity.overdue() is None


def test_a_batch_may_take_longer_than_an_image() -> None:
    activity = ActivityTracker(hang_seconds=0.001)
    with activity.track("64 images", images=64_000_000):
        assert activity.overdue() is None


def test_the_oldest_of_several_is_named() -> None:
    activity = ActivityTracker(hang_seconds=0)
    begun, seen = threading.Event(), threading.Event()

    def other() -> None:
        with activity.track("the second"):
            begun.set()
            seen.wait(PATIENCE)

    with activity.track("the first"):
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(PATIENCE)
        late = activity.overdue()
        seen.set()
        thread.join()
    assert late is not None
    assert late.what == "the first"


def test_batches_are_held_for_as_long_as_they_are_worked_on() -> None:
    activity = ActivityTracker()
    with suppress(ValueError), activity.hold_leases([FIRST, SECOND]):
        assert activity.held == [FIRST, SECOND]
        raise ValueError("whatever comes of it")
    assert activity.held == []


def test_when_shared_there_may_be_several() -> None:
    lock = ReadWriteLock()
    both = threading.Barrier(2, timeout=PATIENCE)

    def other() -> None:
        with lock.shared():
            both.wait()

    thread = threading.Thread(target=other)
    thread.start()
    with lock.shared():
        both.wait()
    thread.join()


@pytest.mark.parametrize(
    ("first", "second"),
    [("exclusive", "exclusive"), ("exclusive", "shared"), ("shared", "exclusive")],
)
def test_nobody_is_beside_one_who_is_alone(first: str, second: str) -> None:
    lock = ReadWriteLock()
    came = threading.Event()

    def other() -> None:
        with getattr(lock, second)():
            came.set()

    thread = threading.Thread(target=other)
    with getattr(lock, first)():
        thread.start()
        assert not came.wait(0.2)
    assert came.wait(PATIENCE)
    thread.join()


def test_who_shares_may_give_up_to_be_alone_and_share_again() -> None:
    lock = ReadWriteLock()
    alone = threading.Lock()
    both = threading.Barrier(2, timeout=PATIENCE)

    def upgrade() -> None:
        with lock.shared():
            both.wait()  # each waits for the other to give up
            with lock.given_up(), lock.exclusive():
                assert alone.acquire(blocking=False)
                alone.release()
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(upgrade) for _ in range(2)]:
            done.result(PATIENCE)


def test_a_worker_with_another_setting_ends_with_a_line(tmp_path: Path) -> None:
    site = colour_site(tmp_path, HANG_SECONDS="soon")
    with stub_worker(site) as worker:
        assert worker.await_end() == 1
        assert error_lines(worker.output) == [
            "Error: HANG_SECONDS=soon is not a number of seconds from 1 to 86400"
        ]
        assert "Traceback" not in worker.output
