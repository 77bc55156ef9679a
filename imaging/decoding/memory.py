"""How much memory a process takes: freed memory that is kept, and data held at once."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from base.read_write_lock import ReadWriteLock

# glibc's constants, which do not change: mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# The files of a group twice: in Python and in TensorFlow.
_KEPT_BYTES = 64_000_000
_LARGEST_BLOCK = 16 << 20  # that glibc takes from kept memory

# The pixels of a huge image and the data of a batch are the largest things in a worker: together
# with such pixels it holds only one batch.
_batches = ReadWriteLock()
_of_thread = threading.local()


@contextmanager
def holding_batch() -> Iterator[None]:
    """Decode and compute a batch, at the same time as others, except for their huge images."""
    with _batches.shared():
        _of_thread.holds_batch = True
        try:
            yield
        finally:
            _of_thread.holds_batch = False


@contextmanager
def room_for_huge() -> Iterator[None]:
    """Wait until no other batch is held and kept memory was returned; none is held meanwhile."""
    own = getattr(_of_thread, "holds_batch", False)
    with _batches.given_up() if own else nullcontext(), _batches.exclusive():
        trim_memory()
        yield


def keep_freed_memory() -> None:
    """Make glibc keep the memory of a batch's files for the next batch.

    Otherwise it returns 250 KB to 10 MB for each image to the system and requests them again at
    once, and the system clears each page: a fifteenth of the time of decoding 12 megapixels.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_memory() -> None:
    """Return freed memory to the system: after freezing InceptionV3 it is a gigabyte in pieces."""
    gc.collect()
    trim_memory()


def trim_memory() -> None:
    """Return the freed memory that the C library kept; takes milliseconds, longer if it is much."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
