"""How long the images that are being decoded have taken, in processor time and not only in time.

Whatever a file does to a decoder, and whichever limit misses it, this ends it:
`worker.health.watchdog` ends the process, and an image whose scoring was started three times and
never finished becomes an error.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

# How long a single image may take that is decoded alone, as after a first attempt. The slowest
# known kinds take four seconds.
ALONE_SECONDS = 10.0
# How long a group may take, while the same process may decode or compute others.
GROUP_SECONDS = 30.0
SECONDS_FOR_EACH = 2.0


class Decoding(NamedTuple):
    """Images that are decoded together; `began` by the clock, `used` is processor time then."""

    images: int
    began: float
    used: float
    seconds: float

    @property
    def is_overdue(self) -> bool:
        """Whether they took too long by both: on a busy machine everything takes long."""
        return min(time.monotonic() - self.began, time.process_time() - self.used) > self.seconds


_under_way: dict[int, Decoding] = {}
_lock = threading.Lock()


@contextmanager
def decoding(images: int, *, alone: bool) -> Iterator[None]:
    """Decode this many images in this thread; `alone` if the process does nothing else."""
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
    """The oldest group that takes longer than it may, if there is one."""
    with _lock:
        late = [group for group in _under_way.values() if group.is_overdue]
    return min(late, key=lambda group: group.began, default=None)
