"""The throughput of this worker, by the ledger's clock, as `db.throughput` defines it."""

import threading
import time
from collections import defaultdict, deque

from db.throughput import KEPT_SECONDS, Finished, images_per_second
from worker import timing


class Throughput:
    """The batches that this worker finished recently, by run."""

    def __init__(self) -> None:
        self._finished: defaultdict[int, deque[Finished]] = defaultdict(deque)
        self._behind = 0.0
        self._lock = threading.Lock()

    def add(self, run_id: int, batch: Finished) -> float:
        """Add a batch that was just finished; returns the images per second of its run."""
        with self._lock:
            # The ledger's clock may be that of another machine.
            self._behind = batch.finished_at - time.monotonic()
            batches = self._finished[run_id]
            if batches and batches[-1].and_next(batch).seconds < timing.SHORT_BATCH_SECONDS:
                batch = batches.pop().and_next(batch)
            batches.append(batch)
            while batches[0].finished_at < batch.finished_at - KEPT_SECONDS:
                batches.popleft()
            return images_per_second(batches, batch.finished_at)

    def now(self) -> float:
        """Images per second at this moment, over all runs."""
        with self._lock:
            now = time.monotonic() + self._behind
            over = [run_id for run_id, batches in self._finished.items() if _is_over(batches, now)]
            for run_id in over:
                del self._finished[run_id]
            return sum(images_per_second(batches, now) for batches in self._finished.values())


def _is_over(batches: deque[Finished], now: float) -> bool:
    return batches[-1].finished_at < now - KEPT_SECONDS
