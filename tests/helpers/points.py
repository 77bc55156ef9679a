"""Points at which a process dies or stands still once, armed from outside.

By a file `die.POINT` or `stop.POINT` in its folder. The first to come renames the file to
`died.POINT` or `stopped.POINT`, whose time is the time of the fault.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any


def die_at(point: str) -> None:
    """End like `kill -9`, or stand still until SIGCONT, if the point is armed."""
    with suppress(FileNotFoundError):
        os.utime(Path(f"die.{point}").rename(f"died.{point}"))
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal may take a moment
    with suppress(FileNotFoundError):
        os.utime(Path(f"stop.{point}").rename(f"stopped.{point}"))
        # To this very thread, which then stops before it goes on; one to the process may be taken
        # by another thread, a moment later.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def then_die_at(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a point behind it."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        die_at(point)
        return result

    return wrapped
