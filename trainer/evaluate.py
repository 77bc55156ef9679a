"""What `trainer evaluate` does: a checkpoint's figures on a source, without queue or ledger."""

import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import log_loss

from base.console.foreign import shown
from base.console.telling import tell
from base.listed_image import ListedImage
from db.precisions import PRECISIONS
from imaging.data_root import data_folder
from imaging.decoding.decoder import Decoder
from imaging.listing.class_order import refuse_reversed
from imaging.listing.selection import Selection
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import ManifestOptions
from model.errors import CheckpointError
from model.held_checkpoint import hold_checkpoint
from report.metrics.metrics import measure
from report.render.text import render_figures
from report.report_model import optimistic
from report.resampling.over_images import add_intervals
from report.reversed_classes import is_reversed, reversed_classes
from report.thresholds.threshold import choose
from trainer.training.dataset import tell_excluded
from worker.scoring.batch_scores import is_outside, rounded_in
from worker.scoring.loaded_model import Backbones, LoadedModel

_BATCH = 64


def evaluate(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    checkpoint: Path,
    source: str,
    threshold: float | None,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: Mapping[str, int | None],
    exclude: tuple[str, ...],
) -> None:
    """Print a checkpoint's figures on a source."""
    options = ManifestOptions(images, path_column, label_columns)
    root, selection = data_folder(), Selection(exclude)
    rows = list_source(source, root, labels, options, selection)
    figures = evaluate_checkpoint(checkpoint, source, rows, root, threshold)
    tell_excluded(selection)
    click.echo(figures)


def evaluate_checkpoint(
    checkpoint: Path,
    source: str,
    rows: Iterable[ListedImage],
    root: Path,
    given_threshold: float | None,
) -> str:
    """A checkpoint's figures and loss on the labelled ones of a source's `rows`, as text.

    Raises:
        CheckpointError: it cannot be used, or its output is not a score.
    """
    with hold_checkpoint(checkpoint) as held:
        scorer = LoadedModel(held, PRECISIONS[0], Backbones())
    decoder = Decoder(scorer.card.decode)
    card = scorer.card.as_json()
    refuse_reversed(shown(str(checkpoint)), scorer.card.class_names)
    choose(given_threshold, card)  # fails early if there is no threshold
    listed = [row for row in rows if row.label is not None]
    truth: list[int] = []
    scores: list[float] = []
    digests: list[str] = []
    for start in range(0, len(listed), _BATCH):
        part = listed[start : start + _BATCH]
        batch = decoder.decode_files(root, [row.path for row in part])
        for position, error in sorted(batch.errors.items()):
            tell(f"left out {part[position].path}: {error.detail}", err=True)
        found = scorer.score_images(batch.images).tolist()
        for position, score in zip(batch.positions, found, strict=True):
            if _is_score(score, checkpoint, part[position].path):
                truth.append(part[position].label or 0)
                digests.append(batch.digests[position])
                scores.append(rounded_in(score))
    valid = set(scorer.card.data.valid_images) if scorer.card.data else set[str]()
    threshold = choose(given_threshold, card, overlap=sum(digest in valid for digest in digests))
    labels, given = np.asarray(truth, np.int8), np.asarray(scores, np.float64)
    figures = measure(labels, given, threshold.value)
    figures = add_intervals(figures, labels, given, threshold.value)
    loss = f"{log_loss(truth, scores, labels=[0, 1]):.3f}" if truth else "n/a (no labelled images)"
    warning = f"{optimistic(threshold, len(truth))}\n" if threshold.overlap else ""
    warning += f"{reversed_classes(figures.roc_auc)}\n" if is_reversed(figures) else ""
    tables = render_figures(threshold, figures, terminal=sys.stdout.isatty())
    return (
        f"{shown(checkpoint.name)} on {shown(source)}: {len(truth)} labelled images\n"
        f"loss {loss}\n\n{warning}{tables}"
    )


def _is_score(score: float, checkpoint: Path, path: str) -> bool:
    """Whether the output is a score; if it is not a number, a printed line names the image.

    Raises:
        CheckpointError: the output is outside [0, 1].
    """
    if is_outside(score):
        raise CheckpointError(
            f"{checkpoint} gave {score:.8g} for {shown(path)}, and a score is in [0, 1]: "
            "this model does not give probabilities"
        )
    if math.isnan(score):
        tell(f"left out {shown(path)}: the model gave no number", err=True)
    return not math.isnan(score)
