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
from worker.scoring.views import key_of_view

log = logging.getLogger(__name__)


class RunFeatures:
    """This worker's open feature stores, one for each backbone, decoding, precision and view."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stores: dict[FeatureKey, KeptFeatures] = {}
        self._seen: set[tuple[int, FeatureKey]] = set()
        self._lock = threading.Lock()

    def of(self, members: Sequence[tuple[RunSpec, Backbone]]) -> "KeptRows":
        """The stores of these runs and their backbones, which must share their decode settings."""
        keys = [_keys(*member) for member in members]
        stores = {
            key: self._store(spec.run_id, key)
            for of_member, (spec, _) in zip(keys, members, strict=True)
            for key in of_member
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
    """The kept features of one batch; `keys` holds one for each view of each member that keeps any.

    An image can be scored without its pixels only if every member keeps features.
    """

    def __init__(
        self, stores: dict[FeatureKey, KeptFeatures], keys: Sequence[Sequence[FeatureKey]]
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
        if not all(self._keys):
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
        """Positions of images for which this member has kept features of all of its views."""
        found = [set(self._rows[key]) for key in self._keys[member]]
        return set[int].intersection(*found) if found else ()

    def rows(self, backbone: Backbone, view: int) -> dict[int, Float32Array]:
        """The rows of this backbone and view that were found, by position."""
        return {} if backbone.key is None else self._rows.get(key_of_view(backbone.key, view), {})

    def add(
        self, backbone: Backbone, view: int, digests: Sequence[str], rows: Float32Array
    ) -> None:
        """Keep the features `[n, ...]` of a view of the images with these digests."""
        if backbone.key is None:
            return
        store = self._stores.get(key_of_view(backbone.key, view))
        if store is not None:
            for digest, row in zip(digests, rows, strict=True):
                store.add(digest, row)


def _keys(spec: RunSpec, backbone: Backbone) -> list[FeatureKey]:
    if backbone.key is None or not spec.keep_features:
        return []
    return [key_of_view(backbone.key, view) for view in range(spec.views)]


def _warn(message: str) -> None:
    log.warning("%s; scoring goes on without", message)
