"""Computes an image's features once for all epochs and trainings: the backbone is frozen."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from rich.progress import track

from base.arrays import Float32Array
from base.console.telling import tell
from base.runtime import tf
from imaging.decoding.decoder import GROUP_BYTES, Decoder
from imaging.decoding.image_file import ImageFile, read_images
from imaging.errors import ImageError
from model.features.feature_cache import FeatureStore
from model.features.kept_features import KeptFeatures
from trainer.training.dataset import LabelledImages

_BATCH = 64

# Maps pixels `[n, height, width, 3]` to features `[n, ...]`, such as `FrozenBackbone.forward`.
Network = Callable[[Any], Any]
Change = Callable[[Float32Array, Sequence[str]], Float32Array]


class FeatureRows(NamedTuple):
    """Features `[n, ...]`, labels `[n]` and file digests of the images that could be read."""

    features: Float32Array
    labels: Float32Array
    digests: list[str]


def compute_features(
    network: Network,
    decoder: Decoder,
    root: Path,
    images: LabelledImages,
    store: FeatureStore | None = None,
    *,
    change: Change | None = None,
) -> FeatureRows:
    """Compute the features of images, except those that the store holds.

    Unreadable images are left out with a message. `change` augments decoded images, float32
    `[n, height, width, 3]`, with these digests; the store must then be that of the augmentation.

    Raises:
        click.ClickException: no image could be read.
    """
    kept = None if store is None else KeptFeatures(store, _warn)
    work = _ForwardPass(network, decoder, images, kept, change)
    positions = track(
        range(len(images.paths)), f"features of {images.source}", disable=not sys.stdout.isatty()
    )
    try:
        for position, file in zip(positions, read_images(root, images.paths), strict=True):
            work.take(position, file)
        work.finish()
    finally:
        if kept is not None:
            kept.close()
    return work.rows()


def joined(parts: Sequence[FeatureRows]) -> FeatureRows:
    """The rows of all parts, one after another."""
    return FeatureRows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        [digest for part in parts for digest in part.digests],
    )


class _ForwardPass:
    """Takes images one by one; holds at most the bytes of a group and the pixels of a batch."""

    def __init__(
        self,
        network: Network,
        decoder: Decoder,
        images: LabelledImages,
        kept: KeptFeatures | None,
        change: Change | None,
    ) -> None:
        self._network = network
        self._decoder = decoder
        self._images = images
        self._kept = kept
        self._change = change
        self._cached = 0
        self._digests: dict[int, str] = {}
        self._encoded: dict[int, ImageFile] = {}
        self._decoded: dict[int, Float32Array] = {}
        self._done = np.zeros(len(images.paths), np.bool_)
        self._features = np.empty(0, np.float32)

    def take(self, position: int, file: ImageFile | ImageError) -> None:
        """Find an image's features, or compute them with the next full batch."""
        if isinstance(file, ImageError):
            self._leave_out(position, file)
            return
        self._digests[position] = file.digest
        row = None if self._kept is None else self._kept.get(file.digest)
        if row is not None:
            self._put(position, row)
            self._cached += 1
            return
        self._encoded[position] = file
        self._compute_full_batches()

    def finish(self) -> None:
        """Compute the features of the last, partial batch."""
        self._decode()
        self._compute()

    def rows(self) -> FeatureRows:
        """The features of all readable images, in listing order."""
        positions = np.flatnonzero(self._done).tolist()
        self._print_summary(len(positions))
        whole = len(positions) == len(self._done)
        labels = [self._images.labels[position] for position in positions]
        return FeatureRows(
            self._features if whole else self._features[self._done],
            np.asarray(labels, np.float32),
            [self._digests[position] for position in positions],
        )

    def _print_summary(self, count: int) -> None:
        source, listed = self._images.source, len(self._done)
        if not count:
            raise click.ClickException(f"{source}: no image could be read")
        if count < listed and self._change is None:
            tell(f"{listed - count} of {listed} images left out", err=True)
        cached = "" if self._kept is None else f", {self._cached} from the cache"
        tell(f"features of {source}: {count} images{cached}")

    def _compute_full_batches(self) -> None:
        # Large files can fill a group before a batch; the backbone waits for a full batch.
        held = sum(len(file.data) for file in self._encoded.values())
        if held >= GROUP_BYTES or len(self._encoded) + len(self._decoded) >= _BATCH:
            self._decode()
        if len(self._decoded) >= _BATCH:
            self._compute()

    def _decode(self) -> None:
        batch = self._decoder.decode_read(self._encoded)
        self._encoded = {}
        for position, error in sorted(batch.errors.items()):
            self._leave_out(position, error)
        self._decoded.update(zip(batch.positions, batch.images, strict=True))

    def _compute(self) -> None:
        if not self._decoded:
            return
        positions = list(self._decoded)
        pixels = np.stack([self._decoded.pop(position) for position in positions])
        if self._change is not None:
            pixels = self._change(pixels, [self._digests[position] for position in positions])
        rows = np.asarray(self._network(tf.constant(pixels)))
        for position, row in zip(positions, rows, strict=True):
            self._put(position, row)
            if self._kept is not None:
                self._kept.add(self._digests[position], row)

    def _put(self, position: int, row: Float32Array) -> None:
        if not self._features.size:  # the shape of a row is known only now
            self._features = np.empty((len(self._done), *row.shape), np.float32)
        self._features[position] = row
        self._done[position] = True

    def _leave_out(self, position: int, error: ImageError) -> None:
        if self._change is None:  # already printed for the plain image
            tell(f"left out {self._images.paths[position]}: {error.detail}", err=True)


def _warn(message: str) -> None:
    tell(f"warning: {message}; training goes on without", err=True)
