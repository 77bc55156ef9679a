"""Points at which a process dies once, armed from outside by a file `die.POINT` in its folder.

Whoever comes first renames the file to `died.POINT` and dies; its time is the time of the death.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any


def die_at(point: str) -> None:
    """End like `kill -9` if the point is armed."""
    with suppress(FileNotFoundError):
        died = Path(f"die.{point}").rename(f"died.{point}")
        os.utime(died)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal may take a moment


def then_die_at(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with a point behind it."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        die_at(point)
        return result

    return wrapped
