"""Limits how many bytes of image files are read before they are needed."""

from collections.abc import Callable
from threading import Condition

# Called with the size of a file before its bytes are read; it may wait.
BeforeReading = Callable[[int], None]


def at_once(_size: int) -> None:
    """Do not wait: nothing is read ahead."""


class ReadAhead:
    """The bytes that were read and not yet taken, over all batches of a process.

    A file counts once its size is known. It waits while there is no room for it, unless it is the
    next one that its batch takes: then it is read at once and is no longer read ahead.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._changed = Condition()

    def take(self, file: "AheadFile", size: int) -> None:
        """Wait until `size` bytes of a file may be read; a repeated call replaces the size."""
        with self._changed:
            self._give_back(file)
            self._changed.wait_for(lambda: file.is_next or self._held + size <= self._most)
            if not file.is_next:
                file.counted = size
                self._held += size

    def ask_for(self, file: "AheadFile") -> None:
        """Note that the file is the next one its batch takes, or that it is no longer read."""
        with self._changed:
            file.is_next = True
            self._give_back(file)

    def _give_back(self, file: "AheadFile") -> None:
        self._held -= file.counted
        file.counted = 0
        self._changed.notify_all()


class AheadFile:
    """A file that is read ahead; called with its size before its bytes are read."""

    def __init__(self, ahead: ReadAhead) -> None:
        self._ahead = ahead
        self.counted = 0
        self.is_next = False

    def __call__(self, size: int) -> None:
        """Wait until `size` bytes may be read: a BeforeReading."""
        self._ahead.take(self, size)

    def ask_for(self) -> None:
        """Note that it is taken next, or not at all."""
        self._ahead.ask_for(self)
