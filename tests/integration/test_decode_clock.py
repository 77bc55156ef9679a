"""Whatever a file does to a decoder: its processor time is bounded by the watchdog."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from imaging.decoding import decode_clock
from imaging.decoding.decode_clock import decoding, overdue
from worker.health.watchdog import HUNG_EXIT_CODE

# A decoder that never ends, in a process with the watchdog of a worker.
ENDLESS = """
import threading
from imaging.decoding import decode_clock
from worker.health.activity import ActivityTracker
from worker.health.watchdog import watch
decode_clock.ALONE_SECONDS = 0.2
threading.Thread(target=watch, args=(ActivityTracker(),), daemon=True).start()
with decode_clock.decoding(1, alone=True):
    while True:
        pass
"""


def burn(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() < began + seconds:
        pass


def test_what_takes_too_much_of_the_processor_is_overdue_until_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decode_clock, "ALONE_SECONDS", 0.05)
    with decoding(1, alone=True):
        assert overdue() is None
        burn(0.1)
        late = overdue()
    assert late is not None
    assert late.images == 1
    assert overdue() is None


def test_what_only_waits_is_not_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_clock, "ALONE_SECONDS", 0.2)
    with decoding(1, alone=True):
        time.sleep(0.3)  # by the clock alone it would be late
        assert overdue() is None


def test_a_group_may_take_longer_than_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_clock, "ALONE_SECONDS", 0.0)
    with decoding(64, alone=False):
        burn(0.05)
        assert overdue() is None


def test_a_worker_ends_over_an_image_that_is_never_decoded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == HUNG_EXIT_CODE
    assert "decoding an image took more than 0 seconds of the processor" in done.stderr
