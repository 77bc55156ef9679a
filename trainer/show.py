"""What `trainer show` does: draw a sample of images, or of a run's predictions."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import click

from base.console.telling import tell
from base.disk import says_why
from base.listed_image import ListedImage
from db.errors import DatabaseError
from db.queries import results, runs
from db.queries.results import ScoredImage
from db.session import open_database
from imaging.data_root import data_folder
from imaging.listing.sources import list_source
from imaging.listing.tables.manifest_options import ManifestOptions
from model.card import Decode
from report.loading.read_run import chosen_threshold
from report.report_model import SYNTHETIC, is_synthetic
from report.thresholds.threshold import Threshold, choose
from report.thresholds.threshold_text import threshold_text
from trainer.grid import LEGEND, Cell, Title, class_title, prediction_title, save_grid, shortened

IMAGES = 25  # five times five, as in the tutorial


class SampleImage(NamedTuple):
    """An image to show, and the digest of its bytes when it was scored."""

    path: str
    title: Title
    digest: str | None = None


class Caption(NamedTuple):
    """The text above the picture: what is shown, out of how many, and smaller lines."""

    shown: str
    of: str
    notes: list[str]


def show(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    source: str | None,
    run: str | None,
    output: Path | None,
    seed: int,
    threshold: float | None,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: Mapping[str, int | None],
) -> None:
    """Draw random images of a source with their classes, or of a run with its predictions."""
    if source is not None and run is None and _is_run(source):
        source, run = None, source
    if (source is None) == (run is None):
        raise click.UsageError("name either a SOURCE or a run, as RUN or with --run")
    if source is not None:
        if threshold is not None:
            raise click.UsageError("--threshold goes with a run: a SOURCE has no predictions")
        options = ManifestOptions(images, path_column, label_columns)
        listed = list(list_source(source, data_folder(), labels, options))
        _show_source(source, listed, seed, output or Path("batch.png"))
    elif run is not None:
        _show_run(run, threshold, seed, output or Path("predictions.png"))


def _is_run(word: str) -> bool:
    """Whether the word names a run; a file or folder with that name takes precedence."""
    if Path(word).exists():
        return False
    if word.isdecimal():
        return True
    try:
        with closing(open_database(to_be_read=True)) as database, database.read() as session:
            return runs.named_run(session, word) is not None
    except DatabaseError:  # a source does not need a ledger
        return False


def _show_source(source: str, listed: list[ListedImage], seed: int, output: Path) -> None:
    drawn = Random(seed).sample(listed, min(IMAGES, len(listed)))  # noqa: S311 - no secret
    images = [SampleImage(image.path, class_title(image.label)) for image in drawn]
    _draw(images, Decode(), output, Caption(source, f"of {len(listed)} images", [f"seed {seed}"]))


def _show_run(name: str, given: float | None, seed: int, output: Path) -> None:
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        run = runs.get_run(session, name)
        card = runs.checkpoint_of(session, run).card
        scored = results.progress(session, run.id).scored
        drawn = results.sample_scored(session, run.id, IMAGES, seed)
        threshold = choose(given, card, chosen_threshold(session, run))
    if not drawn:
        raise click.ClickException(
            f"run {run.id} has no scored images yet: start `celery -A worker worker`"
        )
    notes = notes_of(threshold, seed, synthetic=is_synthetic(card))
    decode = Decode.model_validate(card.get("decode") or {})
    caption = Caption(f"run {run.id} of {run.source}", f"of {scored} scored images", notes)
    _draw(_with_titles(drawn, threshold), decode, output, caption)


def notes_of(threshold: Threshold, seed: int, *, synthetic: bool) -> list[str]:
    """The small lines above the predictions of a run."""
    line = f"threshold {threshold_text(threshold.value)} ({threshold.kind}), seed {seed}"
    # A picture may be shared without its report.
    return [line, LEGEND, *([SYNTHETIC] if synthetic else [])]


def _with_titles(drawn: list[ScoredImage], threshold: Threshold) -> list[SampleImage]:
    return [
        SampleImage(
            image.path, prediction_title(image.label, image.score, threshold.value), image.digest
        )
        for image in drawn
    ]


def _draw(images: list[SampleImage], decode: Decode, output: Path, caption: Caption) -> None:
    from imaging.decoding.decoder import (
        Decoder,  # deferred: TensorFlow loads for seconds, and errors should be quick
    )

    batch = Decoder(decode).decode_files(data_folder(), [image.path for image in images])
    faults = {position: error.detail for position, error in batch.errors.items()}
    cells = []
    for position, image in zip(batch.positions, batch.images, strict=True):
        if images[position].digest not in (None, batch.digests[position]):
            faults[position] = "it is not the file that was scored"
            continue
        cells.append(Cell(image, images[position].title))
    for position, fault in sorted(faults.items()):
        tell(f"left out {images[position].path}: {fault}", err=True)
    if not cells:
        raise click.ClickException(
            "no image could be read: is DATA_ROOT the folder that holds them?"
        )
    heading = f"{shortened(caption.shown)}: {len(cells)} {caption.of}"
    with says_why(f"{output} cannot be written"):
        save_grid(output, cells, heading, caption.notes)
    tell(f"{output}: {len(cells)} images")
