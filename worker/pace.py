"""Images per second of a worker whose batches overlap."""

import threading
import time
from collections import deque

# Seconds over which the pace is taken: long against a batch, short against a coffee.
WINDOW_SECONDS = 60.0


class Pace:
    """The pace of the last minute, or since the worker was last without any batch."""

    def __init__(self) -> None:
        self._active = 0
        self._began = 0.0
        self._ended: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A batch begins."""
        with self._lock:
            if not self._active:
                self._began = time.monotonic()
                self._ended.clear()
            self._active += 1

    def end(self) -> None:
        """A batch ended, whatever came of it."""
        with self._lock:
            self._active -= 1

    def add(self, images: int) -> float:
        """Images per second, with these that have just got their outcome."""
        with self._lock:
            now = time.monotonic()
            self._ended.append((now, images))
            while self._ended[0][0] < now - WINDOW_SECONDS:
                self._began, _ = self._ended.popleft()
            return sum(count for _, count in self._ended) / max(now - self._began, 1e-9)
