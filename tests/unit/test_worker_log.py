import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from worker.observability import log
from worker.observability.log import BrokerAway

CONSUMER = "celery.worker.consumer.consumer"
LOST = "consumer: Connection to broker lost. Trying to re-establish the connection..."
CANNOT = "consumer: Cannot connect to %s: %s.\n%s\n"
CONNECTED = ("celery.worker.consumer.connection", logging.INFO, "Connected to %s", "redis://host")


class Told:
    """What a worker's log shows of records."""

    def __init__(self) -> None:
        self._filter = BrokerAway()
        self._formatter = logging.Formatter("%(message)s")
        self.lines: list[str] = []

    def __call__(self, name: str, level: int, message: str, *values: object) -> None:
        error = sys.exc_info() if sys.exception() else None
        record = logging.LogRecord(name, level, "file", 1, message, values, error)
        if self._filter.filter(record):
            self.lines.append(self._formatter.format(record))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be put forward."""
    now = [1000.0]
    monkeypatch.setattr(log, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_each_thing_about_a_lost_broker_is_one_line_once_a_minute(
    told: Told, clock: list[float]
) -> None:
    for _ in range(3):
        told(CONSUMER, logging.WARNING, "%s (%r)", LOST, "reset")
        told(CONSUMER, logging.ERROR, CANNOT, "redis://host", "refused", "Again in 2 s (1/None)")
        clock[0] += 20

    assert told.lines == [
        f"{LOST} ('reset')",
        "consumer: Cannot connect to redis://host: refused. Again in 2 s",
    ]
    told(CONSUMER, logging.WARNING, "%s (%r)", LOST, "reset")
    assert len(told.lines) == 3


def test_a_traceback_about_the_broker_is_left_out(told: Told) -> None:
    try:
        Path("not there").read_bytes()
    except OSError:
        told("celery.worker.request", logging.CRITICAL, "Couldn't ack %r, reason:%r", 7, "reset")

    assert told.lines == ["Couldn't ack 7, reason:'reset'"]


def test_any_other_line_is_told_whole_each_time(told: Told) -> None:
    for _ in range(2):
        try:
            dict[str, float]()["score"]
        except KeyError:
            told("celery.app.trace", logging.ERROR, "Task %s failed", "worker.tasks.score_batch")
        told(
            "worker.scoring.batch_processor",
            logging.INFO,
            "consumer: Cannot connect is not from here",
        )

    assert len(told.lines) == 4
    assert "KeyError: 'score'" in told.lines[0]


def test_that_the_broker_is_back_is_told_after_an_outage_only(
    told: Told, clock: list[float]
) -> None:
    told(*CONNECTED)
    assert told.lines == []

    told(CONSUMER, logging.WARNING, "%s (%r)", LOST, "reset")
    clock[0] += 2
    told(*CONNECTED)
    told(*CONNECTED)
    told(CONSUMER, logging.WARNING, "%s (%r)", LOST, "reset")

    assert told.lines == [f"{LOST} ('reset')", "Connected to redis://host", f"{LOST} ('reset')"]


def test_a_broker_that_is_lost_as_soon_as_it_is_reached_is_not_back(
    told: Told, clock: list[float]
) -> None:
    for _ in range(9):
        told(CONSUMER, logging.WARNING, "%s (%r)", LOST, "full")
        clock[0] += 0.2
        told(*CONNECTED)

    assert told.lines == [f"{LOST} ('full')"]


def test_the_upkeep_tells_a_broker_once_a_minute_and_the_ledger_each_time(
    told: Told, clock: list[float]
) -> None:
    for _ in range(2):
        told("worker.health.upkeep", logging.ERROR, "upkeep: %s", "broker redis://host: refused")
        told("worker.health.upkeep", logging.ERROR, "upkeep: %s", "database x: no such column")
        clock[0] += 5

    assert told.lines.count("upkeep: broker redis://host: refused") == 1
    assert told.lines.count("upkeep: database x: no such column") == 2


def test_the_warning_about_a_known_setting_is_left_out(told: Told) -> None:
    told("py.warnings", logging.WARNING, "worker_cancel_long_running_tasks_on_connection_loss ...")
    told("py.warnings", logging.WARNING, "something else is deprecated")

    assert told.lines == ["something else is deprecated"]
