"""How much the parts of a worker really did, seen while they do it."""

from typing import Any

import numpy as np
import pytest

from imaging.decoding.decoder import DecodedBatch, Decoder
from worker.scoring.graphs.frozen import FrozenGraph


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the decoder really decodes from now on."""
    counts: list[int] = []
    decode_files = Decoder.decode_files

    def counted(self: Decoder, *arguments: Any) -> DecodedBatch:
        batch = decode_files(self, *arguments)
        counts.append(len(batch.images))
        return batch

    monkeypatch.setattr(Decoder, "decode_files", counted)
    return counts


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass through a backbone takes from now on; none is no pass."""
    counts: list[int] = []
    compute = FrozenGraph.__call__

    def counted(self: FrozenGraph, rows: Any) -> Any:
        if np.ndim(rows) == 4 and len(rows):
            counts.append(len(rows))
        return compute(self, rows)

    monkeypatch.setattr(FrozenGraph, "__call__", counted)
    return counts
