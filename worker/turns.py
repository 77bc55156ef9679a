"""Who may score in this process at once: whole batches together, single images alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A read-write lock that prefers writers: batches share it, a single image holds it alone.

    An image that may kill the process must be the only one: others that were begun beside it would
    be taken for the cause as well.
    """

    def __init__(self) -> None:
        self._in_company = 0
        self._is_alone = False
        self._wait_alone = 0
        self._changed = threading.Condition()

    @contextmanager
    def in_company(self) -> Iterator[None]:
        """Shared with others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._wait_alone)
            self._in_company += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_company -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Beside nobody."""
        with self._changed:
            self._wait_alone += 1
            self._changed.wait_for(lambda: not self._is_alone and not self._in_company)
            self._wait_alone -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()
