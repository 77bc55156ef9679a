"""What the C library does with memory that was freed."""

import ctypes
import gc

# glibc's names and numbers, which do not change: mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# The files of a group twice, in Python and in TensorFlow.
_KEPT_BYTES = 64_000_000
_LARGEST_BLOCK = 16 << 20  # that glibc takes from what it kept


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
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
