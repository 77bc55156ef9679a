"""Features of images by a frozen backbone, computed once and kept on disk. Needs no TensorFlow.

A *store* is the folder of one key. Writers only add whole *segments* to it, and nothing is changed
in place, so that any number of processes read and write at once without a lock.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import click
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from base.arrays import Float32Array
from base.permissions import make_folder
from base.settings import read_settings
from model.card import Decode
from model.features.feature_segments import (
    MAGIC,
    SegmentIndex,
    publish_segment,
    sweep,
    write_whole,
)

# Rows until a writer publishes: a minute of a CPU's work, and 8 MB of an InceptionV3's features.
SEGMENT_ROWS = 1024
# Bytes until it publishes anyway, if rows are large.
SEGMENT_BYTES = 64_000_000
KEY_FILE = "key.json"


class FeatureCacheError(click.ClickException):
    """Features cannot be kept; the message says where and why. The computation itself goes on."""


def feature_folder() -> Path:
    """The folder of kept features, `FEATURE_CACHE`."""
    return read_settings().feature_cache


class FeatureKey(BaseModel):
    """Everything that an image's features depend on besides its bytes.

    `backbone` is the digest of its weights, `shape` that of one row; `variant` names further
    changes to the image or by the backbone, such as augmentation; it is empty if there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str
    decode: Decode
    shape: tuple[int, ...] = Field(min_length=1)
    variant: str = ""

    @property
    def name(self) -> str:
        """The name of the store's folder, 32 hexadecimal digits."""
        return hashlib.sha256(MAGIC + self.model_dump_json().encode()).hexdigest()[:32]


class FeatureStore:
    """The features kept for one key; opening it reads the indexes of its segments, never rows."""

    def __init__(self, folder: Path, key: FeatureKey) -> None:
        self.key = key
        self.path = folder / key.name
        self.row_bytes = 4 * int(np.prod(key.shape))
        # Set after the first failure to write, so that nothing tries, and warns, twice.
        self.failed = False
        self.refresh()

    def __len__(self) -> int:
        """The number of images with features, according to the indexes."""
        return len(self._index)

    def refresh(self) -> None:
        """Read what was published since; a closed writer of this store does it by itself."""
        self._index = SegmentIndex(self.path, self.row_bytes)

    def get(self, digests: Sequence[str]) -> tuple[Float32Array, npt.NDArray[np.bool_]]:
        """Rows `[n, *shape]` of images by their SHA-256 in hex, and which `[n]` were found.

        Each row's checksum is checked as it is read. A damaged or missing row counts as not found;
        it is zero.
        """
        rows = np.empty((len(digests), *self.key.shape), np.float32)
        pairs = zip(digests, rows, strict=True)
        found = [self._index.read(digest, row) for digest, row in pairs]
        return rows, np.array(found, np.bool_)

    def writer(self) -> "FeatureWriter":
        """Make a writer that adds rows.

        Raises:
            FeatureCacheError: the folder cannot be written.
        """
        self.keep({})
        sweep(self.path, self._index.damaged)
        return FeatureWriter(self)

    def keep(self, rows: Mapping[str, Float32Array]) -> None:
        """Publish rows by digest as one segment, which readers see whole or not at all.

        Raises:
            FeatureCacheError: it cannot be written.
        """
        try:
            # Each time, since the cache may be cleared meanwhile; its time shows when the store was
            # used.
            make_folder(self.path)
            write_whole(self.path / KEY_FILE, [self.key.model_dump_json(indent=2).encode()])
            if rows:
                publish_segment(self.path, rows, self.row_bytes)
        except OSError as error:
            self.failed = True
            reason = error.strerror or error
            raise FeatureCacheError(
                f"features cannot be kept in {self.path.parent}: {reason}"
            ) from error


class FeatureWriter:
    """Adds rows to a store, in segments that are published whole. For one thread."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._rows: dict[str, Float32Array] = {}
        self._most = max(1, min(SEGMENT_ROWS, SEGMENT_BYTES // store.row_bytes))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # The rows are whole even after an error; but a full disk should not hide that error.
        with suppress(*([FeatureCacheError] if kind else [])):
            self.close()

    def add(self, digest: str, row: Float32Array) -> None:
        """Keep the features of the image with this SHA-256.

        Raises:
            FeatureCacheError: a full segment could not be written; its rows are dropped.
        """
        if row.dtype != np.float32 or row.shape != self._store.key.shape:
            raise ValueError(
                f"a row is float32 {self._store.key.shape}, not {row.dtype} {row.shape}"
            )
        self._rows[digest] = np.array(row, "<f4", order="C")  # a copy, not a view of a whole batch
        if len(self._rows) >= self._most:
            self.publish()

    def publish(self) -> None:
        """Publish what was added since the last time.

        Raises:
            FeatureCacheError: it cannot be written.
        """
        rows, self._rows = self._rows, {}
        if rows:
            self._store.keep(rows)

    def close(self) -> None:
        """Publish the rest, and make the store read it.

        Raises:
            FeatureCacheError: it cannot be written.
        """
        self.publish()
        self._store.refresh()
