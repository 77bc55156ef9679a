"""Scores by image id; a million of them take 150 MB. Pure."""

from array import array
from collections.abc import Iterator
from typing import NamedTuple


class Untaken(NamedTuple):
    """An id whose score was not taken, and its line in the file."""

    image: str
    line: int


class TakenTwiceError(Exception):
    """A score was taken a second time."""


class ScoreIndex:
    """The score of each id, and whether it was taken.

    One dictionary and arrays of numbers; an object for each row would take five times the memory.
    """

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._scores = array("d")
        self._lines = array("Q")
        self._taken = bytearray()
        self._unscored: set[str] = set()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, image: str, score: float, line: int) -> bool:
        """Add a score and return True if the id is new, else return False."""
        index = len(self._index)
        if self._index.setdefault(image, index) != index:
            return False
        self._scores.append(score)
        self._lines.append(line)
        self._taken.append(0)
        return True

    def take(self, image: str) -> float | None:
        """The score of the id, or None.

        Raises:
            TakenTwiceError: it was taken before.
        """
        index = self._index.get(image)
        if index is None:
            if image in self._unscored:
                raise TakenTwiceError
            self._unscored.add(image)
            return None
        if self._taken[index]:
            raise TakenTwiceError
        self._taken[index] = 1
        return self._scores[index]

    def untaken(self) -> Iterator[Untaken]:
        """Ids that were never taken, in the order in which they were added."""
        for image, index in self._index.items():
            if not self._taken[index]:
                yield Untaken(image, self._lines[index])
