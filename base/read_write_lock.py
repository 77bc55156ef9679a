"""A lock that many can share, or one can hold exclusively."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """A read-write lock that prefers writers."""

    def __init__(self) -> None:
        self._sharing = 0
        self._is_exclusive = False
        self._waiting_exclusive = 0
        self._changed = threading.Condition()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock, shared with others."""
        self._share()
        try:
            yield
        finally:
            self._share_no_more()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Within `shared`: release the lock in this block, and take it again afterwards."""
        self._share_no_more()
        try:
            yield
        finally:
            self._share()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock exclusively."""
        with self._changed:
            self._waiting_exclusive += 1
            self._changed.wait_for(lambda: not self._is_exclusive and not self._sharing)
            self._waiting_exclusive -= 1
            self._is_exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._is_exclusive = False
                self._changed.notify_all()

    def _share(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_exclusive and not self._waiting_exclusive)
            self._sharing += 1

    def _share_no_more(self) -> None:
        with self._changed:
            self._sharing -= 1
            self._changed.notify_all()
