"""Ends a process that hangs: threads have no time limits, and the ledger makes that safe.

What hung comes up again after its lease; an image that hangs three times is `worker_died`.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from db.queries.refusals import Wanted
from imaging.decoding import decode_clock
from worker import timing
from worker.health.activity import ActivityTracker

log = logging.getLogger(__name__)

# A supervisor restarts what ended with it; EX_SOFTWARE of sysexits.h.
HUNG_EXIT_CODE = 70


def watch(activity: ActivityTracker, hung: Callable[[Wanted, float], None] | None = None) -> None:
    """Look every second, and end the process when something is overdue.

    `hung` is told of a checkpoint whose loading is, or every worker would begin with it again.
    """
    while (late := _late(activity)) is None:
        time.sleep(timing.WATCHDOG_SECONDS)
    task = activity.overdue()
    if hung is not None and task is not None and task.loads is not None:
        # The database may be what does not answer.
        telling = threading.Thread(target=hung, args=(task.loads, task.seconds), daemon=True)
        telling.start()
        telling.join(timing.HUNG_NOTE_SECONDS)
    log.critical(
        "%s: this worker ends, exit code %d; what it held is scored by the next",
        late,
        HUNG_EXIT_CODE,
    )
    # A thread that hangs in native code can neither be stopped nor waited for.
    os._exit(HUNG_EXIT_CODE)


def _late(activity: ActivityTracker) -> str | None:
    """A sentence about what takes longer than it may, if anything does."""
    task = activity.overdue()
    if task is not None:
        return f"{task.what} did not end within {task.seconds:.0f} seconds (HANG_SECONDS)"
    slow = decode_clock.overdue()
    if slow is not None:
        images = "an image" if slow.images == 1 else f"{slow.images} images"
        return f"decoding {images} took more than {slow.seconds:.0f} seconds of the processor"
    return None
