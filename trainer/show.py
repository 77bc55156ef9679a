"""What `trainer show` does: draw a sample of images, or of a run's predictions."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from random import Random
from typing import NamedTuple

import click

from base.console.telling import tell
from base.disk import says_why
from db.errors import DatabaseError
from db.queries import results, runs
from db.queries.results import ScoredImage
from db.session import open_database
from imaging.data_root import data_folder
from imaging.listing.sources import list_source
from model.card import Decode
from report.contents import SYNTHETIC, is_synthetic
from report.loading.read import chosen_threshold
from report.thresholds.threshold import Threshold, choose
from report.thresholds.written import written
from trainer.grid import LEGEND, Cell, Title, class_title, prediction_title, save_grid, shortened

IMAGES = 25  # five times five, as in the tutorial


class Wanted(NamedTuple):
    """An image to show, and the digest of its bytes when it was scored."""

    path: str
    title: Title
    digest: str | None = None


class Words(NamedTuple):
    """What stands above the picture: what is shown, of how many, and smaller lines."""

    shown: str
    of: str
    notes: list[str]


def show(
    *,
    source: str | None,
    run: str | None,
    output: Path | None,
    seed: int,
    threshold: float | None,
    labels: Mapping[str, int],
) -> None:
    """Draw random images of a source with their classes, or of a run with its predictions."""
    if source is not None and run is None and _is_run(source):
        source, run = None, source
    if (source is None) == (run is None):
        raise click.UsageError("name either a SOURCE or a run, as RUN or with --run")
    if source is not None:
        if threshold is not None:
            raise click.UsageError("--threshold goes with a run: a SOURCE has no predictions")
        _show_source(source, labels, seed, output or Path("batch.png"))
    elif run is not None:
        _show_run(run, threshold, seed, output or Path("predictions.png"))


def _is_run(word: str) -> bool:
    """Whether it names a run; a file or folder of that name goes before."""
    if Path(word).exists():
        return False
    if word.isdecimal():
        return True
    try:
        with closing(open_database(to_be_read=True)) as database, database.read() as session:
            return runs.named_run(session, word) is not None
    except DatabaseError:  # a source needs no ledger
        return False


def _show_source(source: str, labels: Mapping[str, int], seed: int, output: Path) -> None:
    listed = list(list_source(source, data_folder(), labels))
    drawn = Random(seed).sample(listed, min(IMAGES, len(listed)))  # noqa: S311 - no secret
    wanted = [Wanted(image.path, class_title(image.label)) for image in drawn]
    _draw(wanted, Decode(), output, Words(source, f"of {len(listed)} images", [f"seed {seed}"]))


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
    words = Words(f"run {run.id} of {run.source}", f"of {scored} scored images", notes)
    _draw(_with_titles(drawn, threshold), decode, output, words)


def notes_of(threshold: Threshold, seed: int, *, synthetic: bool) -> list[str]:
    """The small lines above the predictions of a run."""
    at = f"threshold {written(threshold.value)} ({threshold.kind}), seed {seed}"
    # A picture travels without its report.
    return [at, LEGEND, *([SYNTHETIC] if synthetic else [])]


def _with_titles(drawn: list[ScoredImage], threshold: Threshold) -> list[Wanted]:
    return [
        Wanted(
            image.path, prediction_title(image.label, image.score, threshold.value), image.digest
        )
        for image in drawn
    ]


def _draw(wanted: list[Wanted], decode: Decode, output: Path, words: Words) -> None:
    from imaging.decoding.decoder import (
        Decoder,  # deferred: TensorFlow takes seconds, a mistake should not
    )

    batch = Decoder(decode).decode_files(data_folder(), [image.path for image in wanted])
    faults = {at: error.detail for at, error in batch.errors.items()}
    cells = []
    for at, image in zip(batch.positions, batch.images, strict=True):
        if wanted[at].digest not in (None, batch.digests[at]):
            faults[at] = "it is not the file that was scored"
            continue
        cells.append(Cell(image, wanted[at].title))
    for at, fault in sorted(faults.items()):
        tell(f"left out {wanted[at].path}: {fault}", err=True)
    if not cells:
        raise click.ClickException(
            "not one image could be read: is DATA_ROOT the folder they lie under?"
        )
    heading = f"{shortened(words.shown)}: {len(cells)} {words.of}"
    with says_why(f"{output} cannot be written"):
        save_grid(output, cells, heading, words.notes)
    tell(f"{output}: {len(cells)} images")
