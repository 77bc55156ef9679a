"""Images per second of a worker whose batches overlap."""

import threading
import time


class Pace:
    """What a batch adds to the worker's pace: while it decoded, another was computed."""

    def __init__(self) -> None:
        self._last_end = 0.0
        self._lock = threading.Lock()

    def of(self, images: int, began: float) -> float:
        """Images per second since the batch began or, if that was later, the last one ended."""
        with self._lock:
            now = time.monotonic()
            since, self._last_end = max(began, self._last_end), now
        return images / max(now - since, 1e-9)
