"""Ends a process that hangs: threads have no time limits, and the ledger makes that safe.

What hung comes up again after its lease; an image that hangs three times is `worker_died`.
"""

import logging
import os
import time

import click

from worker.at_work import HANG_SECONDS, AtWork

log = logging.getLogger(__name__)

# A supervisor restarts what ended with it; EX_SOFTWARE of sysexits.h.
HUNG_EXIT_CODE = 70
LOOK_SECONDS = 1.0
LEAST_SECONDS, MOST_SECONDS = 1.0, 86_400.0


def hang_seconds(setting: str) -> float:
    """How long one image may take, by the environment variable `HANG_SECONDS`.

    Raises:
        click.ClickException: it is no number of seconds up to a day.
    """
    if not setting.strip():
        return HANG_SECONDS
    try:
        seconds = float(setting)
    except ValueError:
        seconds = 0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:  # NaN is neither
        raise click.ClickException(
            f"HANG_SECONDS={setting[:40]} is not a number of seconds from {LEAST_SECONDS:.0f} to "
            f"{MOST_SECONDS:.0f}"
        )
    return seconds


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
