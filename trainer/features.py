"""The backbone is frozen, so an image's features are computed once for all epochs."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import numpy.typing as npt
from rich.progress import track

from model.preprocess import Decoder
from model.runtime import tf
from trainer.dataset import LabelledImages

_BATCH = 64


class FeatureRows(NamedTuple):
    """Features `[n, ...]`, labels `[n]` and file digests of the images that could be read."""

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    digests: list[str]


def compute_features(
    network: Any,  # noqa: ANN401 - keras.Model
    decoder: Decoder,
    root: Path,
    images: LabelledImages,
) -> FeatureRows:
    """One pass of the backbone over the images; an unreadable one is named and left out."""
    forward = tf.function(lambda batch: network(batch, training=False), reduce_retracing=True)
    features: list[npt.NDArray[np.float32]] = []
    labels: list[int] = []
    digests: list[str] = []
    starts = range(0, len(images.paths), _BATCH)
    for start in track(starts, f"features of {images.source}", disable=not _is_terminal()):
        paths = images.paths[start : start + _BATCH]
        batch = decoder.decode_files(root, paths)
        for position, error in sorted(batch.errors.items()):
            click.echo(f"left out {paths[position]}: {error.detail}", err=True)
        if batch.positions:
            features.append(forward(tf.constant(batch.images)).numpy())
        labels += [images.labels[start + position] for position in batch.positions]
        digests += [batch.digests[position] for position in batch.positions]
    if not features:
        raise click.ClickException(f"{images.source}: not one image could be read")
    return FeatureRows(np.concatenate(features), np.asarray(labels, np.float32), digests)


def _is_terminal() -> bool:
    return sys.stdout.isatty()
