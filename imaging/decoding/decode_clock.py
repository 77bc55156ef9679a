"""How long images that are being decoded have taken: of the processor, not of the clock alone.

Whatever a file does to a decoder, and whatever bound misses it, ends here: `worker.health.watchdog`
ends the process, and an image that was begun three times and never ended becomes an error.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

# What one image may take that is decoded alone, as after a first attempt. The slowest kinds that
# are known take four.
ALONE_SECONDS = 10.0
# What a group may take: beside it, others may be decoded or computed in the same process.
GROUP_SECONDS = 30.0
SECONDS_FOR_EACH = 2.0


class Decoding(NamedTuple):
    """Images that are decoded together, and when that began, by the clock and by the processor."""

    images: int
    began: float
    used: float
    seconds: float

    @property
    def is_overdue(self) -> bool:
        """Whether they took longer than they may, by both: on a busy machine all takes long."""
        return min(time.monotonic() - self.began, time.process_time() - self.used) > self.seconds


_under_way: dict[int, Decoding] = {}
_lock = threading.Lock()


@contextmanager
def decoding(images: int, *, alone: bool) -> Iterator[None]:
    """Decode so many images in this thread; `alone` where the process does nothing else."""
    seconds = ALONE_SECONDS if alone else GROUP_SECONDS + SECONDS_FOR_EACH * images
    key = threading.get_ident()
    with _lock:
        _under_way[key] = Decoding(images, time.monotonic(), time.process_time(), seconds)
    try:
        yield
    finally:
        with _lock:
            del _under_way[key]


def overdue() -> Decoding | None:
    """What takes longer than it may, if anything does."""
    with _lock:
        late = [group for group in _under_way.values() if group.is_overdue]
    return min(late, key=lambda group: group.began, default=None)
