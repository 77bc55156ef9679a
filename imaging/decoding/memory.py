"""How much memory a process takes: what is kept of what was freed, and what is held at once."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from base.read_write_lock import ReadWriteLock

# glibc's names and numbers, which do not change: mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# The files of a group twice, in Python and in TensorFlow.
_KEPT_BYTES = 64_000_000
_LARGEST_BLOCK = 16 << 20  # that glibc takes from what it kept

# The pixels of a huge image and what is held of a batch are the largest things in a worker: beside
# such pixels it holds one batch alone.
_batches = ReadWriteLock()
_of_thread = threading.local()


@contextmanager
def holding_batch() -> Iterator[None]:
    """A batch is decoded and computed: together with others, but for their huge images."""
    with _batches.shared():
        _of_thread.holds_batch = True
        try:
            yield
        finally:
            _of_thread.holds_batch = False


@contextmanager
def room_for_huge() -> Iterator[None]:
    """No other batch is held meanwhile, and what was kept of freed memory went back."""
    own = getattr(_of_thread, "holds_batch", False)
    with _batches.given_up() if own else nullcontext(), _batches.exclusive():
        trim_memory()
        yield


def keep_freed_memory() -> None:
    """Have glibc keep what a batch's files took for the next batch.

    Else it returns 250 KB to 10 MB for each image to the system and asks for them again at once,
    and the system clears each page: a fifteenth of the time of decoding 12 MP.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_memory() -> None:
    """Return what was freed to the system: after freezing InceptionV3 a gigabyte in pieces."""
    gc.collect()
    trim_memory()


def trim_memory() -> None:
    """Return what the C library kept of freed memory: some milliseconds, more where it was much."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
