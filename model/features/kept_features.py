"""A feature store in use: rows are read and added until it fails, which does no harm."""

import threading
import time
from collections.abc import Callable

from base.arrays import Float32Array
from model.features.feature_cache import FeatureCacheError, FeatureStore, FeatureWriter

# Seconds after which rows are published even if they fill no segment: the most a kill can lose.
PUBLISH_SECONDS = 60.0


class KeptFeatures:
    """Reads and adds rows; the first failure to write is passed to `warn`, and ends the adding.

    For any number of threads.
    """

    def __init__(self, store: FeatureStore, warn: Callable[[str], None]) -> None:
        self._store, self._warn = store, warn
        self._writer: FeatureWriter | None = None
        self._published_at = time.monotonic()
        self._lock = threading.Lock()

    def get(self, digest: str) -> Float32Array | None:
        """The row of the image with this SHA-256, if it was kept."""
        rows, found = self._store.get([digest])
        return rows[0] if found[0] else None

    def add(self, digest: str, row: Float32Array) -> None:
        """Keep a row."""
        with self._lock:
            if self._store.failed:
                return
            try:
                if self._writer is None:
                    self._writer = self._store.writer()
                self._writer.add(digest, row)
                if time.monotonic() > self._published_at + PUBLISH_SECONDS:
                    self._published_at = time.monotonic()
                    self._writer.publish()
            except FeatureCacheError as error:
                self._warn(error.message)

    def refresh(self) -> None:
        """Read what others have published."""
        self.close()
        self._store.refresh()

    def close(self) -> None:
        """Publish the rest, and read it."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None and not self._store.failed:
                try:
                    writer.close()
                except FeatureCacheError as error:
                    self._warn(error.message)
