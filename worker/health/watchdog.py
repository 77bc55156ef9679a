"""Ends a process that hangs: threads cannot be given time limits, and the ledger makes it safe.

What hung is tried again after its lease; an image that hangs three times is `worker_died`.
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

# A supervisor restarts a process that ended with this code; EX_SOFTWARE of sysexits.h.
HUNG_EXIT_CODE = 70


def watch(activity: ActivityTracker, hung: Callable[[Wanted, float], None] | None = None) -> None:
    """Look every second, and end the process when something is overdue.

    `hung` is called with a checkpoint whose loading hangs, or every worker would try to load it.
    """
    while (late := _late(activity)) is None:
        time.sleep(timing.WATCHDOG_SECONDS)
    task = activity.overdue()
    if hung is not None and task is not None and task.loads is not None:
        # In a thread: the database itself may be what does not answer.
        telling = threading.Thread(target=hung, args=(task.loads, task.seconds), daemon=True)
        telling.start()
        telling.join(timing.HUNG_NOTE_SECONDS)
    log.critical(
        "%s: this worker ends, exit code %d; other workers score what it held",
        late,
        HUNG_EXIT_CODE,
    )
    # A thread that hangs in native code can be neither stopped nor waited for.
    os._exit(HUNG_EXIT_CODE)


def _late(activity: ActivityTracker) -> str | None:
    """A sentence about what takes longer than it may, if there is anything."""
    task = activity.overdue()
    if task is not None:
        return f"{task.what} did not end within {task.seconds:.0f} seconds (HANG_SECONDS)"
    slow = decode_clock.overdue()
    if slow is not None:
        images = "an image" if slow.images == 1 else f"{slow.images} images"
        return f"decoding {images} took more than {slow.seconds:.0f} seconds of the processor"
    return None
