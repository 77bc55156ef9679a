import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.errors import DatabaseAwayError, DatabaseError
from worker import timing
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry

SECONDS = 600


@pytest.fixture
def activity() -> ActivityTracker:
    return ActivityTracker(hang_seconds=0)


@pytest.fixture
def patient(activity: ActivityTracker, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseRetry]:
    monkeypatch.setattr(timing, "DATABASE_PAUSE_SECONDS", 0.01)
    waiting = DatabaseRetry(activity)
    yield waiting
    waiting.end()


def away(times: int, answer: str = "stored") -> Callable[[], str]:
    """Work that finds no database so many times, and then does what it should."""
    failures = iter(range(times))

    def work() -> str:
        if next(failures, None) is not None:
            raise DatabaseAwayError("database x: connection refused")
        return answer

    return work


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_work_is_begun_anew_until_the_database_is_there(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert patient.call(away(5)) == "stored"

    told, back = lines(caplog)
    assert told == "database x: connection refused; waiting for it"
    assert back.startswith("the database answers again, after ")


def test_work_that_succeeds_says_nothing(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture
) -> None:
    assert patient.call(away(0)) == "stored"
    assert lines(caplog) == []


def test_all_threads_together_tell_an_outage_once(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(4) as pool:
        list(pool.map(patient.call, [away(20) for _ in range(4)]))

    assert [line.split(":")[0] for line in lines(caplog)].count("database x") == 1


def test_an_outage_that_comes_and_goes_is_one(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            patient.call(away(2))

    assert len(lines(caplog)) == 2


def test_a_long_outage_is_told_again(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "DATABASE_REMINDER_SECONDS", 0)
    with caplog.at_level(logging.ERROR):
        patient.call(away(3))

    assert len(lines(caplog)) == 3


def test_an_error_that_does_not_pass_is_not_waited_for(patient: DatabaseRetry) -> None:
    def work() -> None:
        raise DatabaseError("there is no run 7")

    with pytest.raises(DatabaseError, match="no run 7"):
        patient.call(work)


def test_a_worker_that_ends_waits_no_longer(patient: DatabaseRetry) -> None:
    tried = threading.Event()

    def work() -> None:
        tried.set()
        raise DatabaseAwayError("gone for good")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.call, work)
        assert tried.wait(SECONDS)
        patient.end()
        with pytest.raises(DatabaseAwayError):
            waiting.result(SECONDS)


def test_a_worker_that_ends_does_not_say_that_the_database_is_back(
    patient: DatabaseRetry, caplog: pytest.LogCaptureFixture
) -> None:
    tries = iter([True, False])

    def work() -> None:
        if next(tries):
            raise DatabaseAwayError("away")
        patient.end()  # nothing was left to do, and so the database was not asked

    with caplog.at_level(logging.WARNING):
        patient.call(work)
    assert lines(caplog) == ["away; waiting for it"]


def test_waiting_does_not_count_as_hanging(
    patient: DatabaseRetry, activity: ActivityTracker
) -> None:
    overdue = []

    def work() -> str:
        overdue.append(activity.overdue())
        return next(answers)()

    answers = iter([away(1), away(0)])
    with activity.track("a batch"):
        assert activity.overdue() is not None, "it may take no time at all"
        with activity.pause():
            assert activity.overdue() is None
        assert patient.call(work) == "stored"
        assert activity.overdue() is not None, "what goes on may hang again"
    assert all(overdue), "only waiting is free"
