"""How a worker ends when a signal asks for it: it takes nothing more, then finishes or gives back.

Celery shuts down inside the signal's handler: it closes the pool, and the loop that the signal
interrupted then hands the closed pool a message. Here the handler only sets flags that the loop
reads between two messages; consuming stops first, the pool after it.
"""

import math
import os
import signal
import threading
import time
from concurrent.futures import Executor
from types import FrameType

from celery.worker import state

from worker import timing
from worker.celery import app

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Ending:
    """What signals asked for: finish what was started, do so within seconds, or end at once.

    SIGTERM and Ctrl-C ask for the first, a second Ctrl-C or SIGQUIT for the second, another one for
    the third.
    """

    def __init__(self) -> None:
        self.is_asked_for = False
        self._deadline = math.inf

    def heed_signals(self) -> None:
        """Replace Celery's signal handlers; call this from the main thread."""
        if state.should_stop:  # Ctrl-C, while the pool was started: Celery would end with 1
            self.is_asked_for, state.should_stop = True, 0
        for signal_number in SIGNALS:
            signal.signal(signal_number, self._on_signal)

    def ignore_signals(self) -> None:
        """Ignore further signals: there is nothing left to hurry."""
        for signal_number in SIGNALS:
            signal.signal(signal_number, signal.SIG_IGN)

    def await_begun(self, executor: Executor) -> bool:
        """Wait for what the pool has started; False if the time for it ran out.

        Tasks that only wait in the pool are dropped: their messages are not acknowledged and go
        back.
        """
        waiter = threading.Thread(
            target=executor.shutdown, kwargs={"cancel_futures": True}, daemon=True
        )
        waiter.start()
        while waiter.is_alive() and time.monotonic() < self._deadline:
            waiter.join(timing.ENDING_SECONDS)
        return not waiter.is_alive()

    def _on_signal(self, signal_number: int, _frame: FrameType | None) -> None:
        if signal_number == signal.SIGQUIT or (
            signal_number == signal.SIGINT and self.is_asked_for
        ):
            self._hurry(signal_number)
        elif not self.is_asked_for:
            _say("it takes nothing more and finishes what it started; Ctrl-C again gives it back")
        self.is_asked_for = True
        if not is_asked():
            state.should_stop = 0

    def _hurry(self, signal_number: int) -> None:
        if self._deadline < math.inf:
            _say("it ends at once; other workers score what it held when its leases expire")
            os._exit(128 + signal_number)
        seconds = app.conf.worker_soft_shutdown_timeout
        self._deadline = time.monotonic() + seconds
        _say(
            f"it takes nothing more, and gives back what is not finished within {seconds} s; "
            "Ctrl-C again ends it at once"
        )


def is_asked() -> bool:
    """Whether this worker should end, for any reason; an exit code of 0 is one of them."""
    codes = (state.should_stop, state.should_terminate)
    return any(code is not None and code is not False for code in codes)


def _say(sentence: str) -> None:
    """Print from a signal handler, where the lock of the logger or `sys.stderr` may be held."""
    os.write(2, f"\nworker: {sentence}\n".encode())
