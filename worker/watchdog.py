"""Ends a process that hangs: threads have no time limits, and the ledger makes that safe.

What hung comes up again after its lease; an image that hangs three times is `worker_died`.
"""

import logging
import os
import time

from worker.at_work import AtWork

log = logging.getLogger(__name__)

# A supervisor restarts what ended with it; EX_SOFTWARE of sysexits.h.
HUNG_EXIT_CODE = 70
LOOK_SECONDS = 1.0


def watch(at_work: AtWork) -> None:
    """Look every second, and end the process when something is overdue."""
    while (task := at_work.overdue()) is None:
        time.sleep(LOOK_SECONDS)
    log.critical(
        "%s did not end within %.0f seconds (HANG_SECONDS): this worker ends, exit code %d; "
        "what it held is scored by the next",
        task.what,
        task.seconds,
        HUNG_EXIT_CODE,
    )
    # A thread that hangs in native code can neither be stopped nor waited for.
    os._exit(HUNG_EXIT_CODE)
