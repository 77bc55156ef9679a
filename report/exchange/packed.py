"""Stores many rows in little memory and returns them in order. Pure."""

import pickle
import zlib
from collections.abc import Iterator
from typing import Any

# Rows of one block: enough to compress to a tenth, few enough to unpack at once.
BLOCK = 4_096


class PackedRows:
    """Rows of text and numbers, compressed block by block."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[tuple[Any, ...]] = []

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row."""
        self._open.append(row)
        if len(self._open) == BLOCK:
            self._close_block()

    def _close_block(self) -> None:
        self._blocks.append(zlib.compress(pickle.dumps(self._open), level=1))
        self._open = []

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for block in self._blocks:
            yield from pickle.loads(zlib.decompress(block))  # noqa: S301 - packed above
        yield from self._open
