"""Features of `--keep-features` runs: taken from the feature cache, and put into it."""

import logging
import threading
from collections.abc import Container, Sequence
from pathlib import Path

from base.arrays import Float32Array
from db.queries.runs import RunSpec
from model.features.feature_cache import FeatureKey, FeatureStore
from model.features.kept_features import KeptFeatures
from worker.scoring.loaded_model import Backbone

log = logging.getLogger(__name__)


class RunFeatures:
    """The open feature stores of this worker, one for each backbone, decoding and precision."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stores: dict[FeatureKey, KeptFeatures] = {}
        self._seen: set[tuple[int, FeatureKey]] = set()
        self._lock = threading.Lock()

    def of(self, members: Sequence[tuple[RunSpec, Backbone]]) -> "KeptRows":
        """The stores of these runs and their backbones, which must share their decode settings."""
        keys = [backbone.key if spec.keep_features else None for spec, backbone in members]
        stores = {
            key: self._store(spec.run_id, key)
            for key, (spec, _) in zip(keys, members, strict=True)
            if key is not None
        }
        return KeptRows(stores, keys)

    def close(self) -> None:
        """Publish what was added since the last publication."""
        for store in self._stores.values():
            store.close()

    def _store(self, run_id: int, key: FeatureKey) -> KeptFeatures:
        with self._lock:
            if key not in self._stores:
                store = FeatureStore(self._folder, key)
                self._stores[key] = KeptFeatures(store, _warn)
            elif (run_id, key) not in self._seen:
                self._stores[key].refresh()  # a run finds what others kept before it began
            self._seen.add((run_id, key))
            return self._stores[key]


class KeptRows:
    """The kept features of one batch; `keys` holds a key for each member, None if it keeps none.

    An image can be scored without its pixels only if every member keeps features.
    """

    def __init__(
        self, stores: dict[FeatureKey, KeptFeatures], keys: Sequence[FeatureKey | None]
    ) -> None:
        self._stores = stores
        self._keys = keys
        self._rows: dict[FeatureKey, dict[int, Float32Array]] = {key: {} for key in stores}

    @property
    def any(self) -> bool:
        """Whether any member keeps features."""
        return bool(self._stores)

    def take(self, position: int, digest: str) -> bool:
        """Look up the image with this digest; True if every backbone's features were found."""
        if None in self._keys:
            return False
        rows = {key: store.get(digest) for key, store in self._stores.items()}
        found = {key: row for key, row in rows.items() if row is not None}
        if len(found) < len(rows):
            return False
        for key, row in found.items():
            self._rows[key][position] = row
        return True

    def recall(self, position: int, digest: str) -> None:
        """Look up the image with this digest, whose file is gone, and hold what is found."""
        for key, store in self._stores.items():
            row = store.get(digest)
            if row is not None:
                self._rows[key][position] = row

    def recalled(self, member: int) -> Container[int]:
        """Positions of images for which this member has kept features."""
        key = self._keys[member]
        return () if key is None else self._rows[key]

    def rows(self, backbone: Backbone) -> dict[int, Float32Array]:
        """The rows of this backbone that were found, by position."""
        return {} if backbone.key is None else self._rows.get(backbone.key, {})

    def add(self, backbone: Backbone, digests: Sequence[str], rows: Float32Array) -> None:
        """Keep the features `[n, ...]` of the images with these digests."""
        store = None if backbone.key is None else self._stores.get(backbone.key)
        if store is not None:
            for digest, row in zip(digests, rows, strict=True):
                store.add(digest, row)


def _warn(message: str) -> None:
    log.warning("%s; scoring goes on without", message)
