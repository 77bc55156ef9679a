"""Looks for a sample of a manifest's images, so that wrong paths are noticed when enqueueing."""

import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from base.console.foreign import shown
from base.listed_image import ListedImage
from imaging.data_root import Root
from imaging.errors import SourceError
from imaging.filenames import spelled_back
from imaging.listing.absent_reasons import likely_reason

# The first rows are all looked for, then fewer and fewer: each next one is a hundredth further on.
# A million rows take 1,700 looks.
FIRST = 1_000
MOST = 2_000
_FURTHER = 100
_EXAMPLES = 5


class PathSample:
    """Looks for some of the images that a manifest names; folders list only what is there."""

    def __init__(self, root: Root, source: str, *, allow_missing: bool) -> None:
        self._root = root if isinstance(root, Path) else None  # an object store is not asked
        self._source = source
        self._allow_missing = allow_missing
        self._looked = 0
        self._absent: list[ListedImage] = []

    def watch(self, rows: Iterator[ListedImage]) -> Iterator[ListedImage]:
        """The same rows; the first come only after all of them were looked for.

        Raises:
            SourceError: most of those that were looked for are absent, and that is not allowed.
        """
        first = next(rows, None)
        if first is None:
            return
        rows = chain([first], rows)
        if self._root is None or not first.where:
            yield from rows
            return
        head = list(islice(rows, FIRST))
        for row in head:
            self._look(self._root, row)
        if len(self._absent) * 2 > self._looked and not self._allow_missing:
            raise self._refusal(self._absent[:_EXAMPLES])
        yield from head
        del head
        yield from self._watch_later(self._root, rows)

    def lines(self) -> Iterator[str]:
        """How many were absent, in words; nothing if none was."""
        if self._absent:
            yield (
                f"{len(self._absent):,} of {self._looked:,} images that were looked for are not "
                f"under DATA_ROOT, such as {_named(self._absent[0])}: those end as missing"
            )

    def _watch_later(self, root: Path, rows: Iterator[ListedImage]) -> Iterator[ListedImage]:
        next_look = FIRST
        # Each look stands for all rows up to the next one.
        likely_absent, stood_for = len(self._absent), FIRST
        for at, row in enumerate(rows, FIRST):
            if at == next_look and self._looked < MOST:
                step = at // _FURTHER
                next_look += step
                stood_for += step
                likely_absent += 0 if self._look(root, row) else step
            yield row
        if likely_absent * 2 > stood_for and not self._allow_missing:
            raise self._refusal(self._absent[-_EXAMPLES:])

    def _look(self, root: Path, row: ListedImage) -> bool:
        self._looked += 1
        is_there = _is_there(root, row.path)
        if not is_there:
            self._absent.append(row)
        return is_there

    def _refusal(self, examples: list[ListedImage]) -> SourceError:
        root = self._root or Path()
        reasons = ((row, likely_reason(row.path, root, self._source)) for row in examples)
        row, reason = next(
            (each for each in reasons if each[1]), (examples[0], _of_ids(examples[0]))
        )
        return SourceError(
            f"{len(self._absent):,} of {self._looked:,} images that were looked for are not under "
            f"DATA_ROOT ({root.resolve()}), such as {_named(row)}{reason}; if they will be there "
            "for the workers, --allow-missing goes on"
        )


def _of_ids(row: ListedImage) -> str:
    bare = "/" not in row.path and "\\" not in row.path
    return "; of ids or bare names, --images DIR says in which folders to look" if bare else ""


def _named(row: ListedImage) -> str:
    """Path and row; quoted if blanks would not be seen."""
    path = shown(row.path)
    return f"{path if path == path.strip() else repr(path)} ({row.where})"


def _is_there(root: Path, path: str) -> bool:
    name = spelled_back(path) if "\\" in path else None
    try:
        (root / (name or path)).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # it is there, but cannot be reached, or its name is too long
        return os.path.lexists(root / path)
    return True
