"""The command `python -m worker.bench`."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from base.console import interrupt
from base.console.foreign import for_terminal, shown
from base.console.telling import tell
from base.cores import processor, threads
from db.precisions import PRECISIONS
from imaging.data_root import data_root
from imaging.listing.sources import list_source
from model.card import claimed_card
from worker.bench.child import Job, Measured, NotMeasured, measure
from worker.bench.drawn import draw_images
from worker.bench.table import Row, advice, table

_ENDING = ".keras"


class BenchError(click.ClickException):
    """The arguments cannot be used; the message says which."""


@click.command(name="python -m worker.bench")
@click.argument("paths", metavar="CHECKPOINT... [IMAGES]", nargs=-1, required=True)
@click.option(
    "--count",
    default=128,
    show_default=True,
    type=click.IntRange(2, 10_000),
    help="How many of the images are scored, the first that are listed.",
)
def main(paths: Sequence[str], count: int) -> None:
    """Compare what this machine computes a CHECKPOINT in: speed, memory, scores.

    Several .keras files are compared with the first, for instance one and its quantised sibling.
    IMAGES is a folder, or anything else that `producer enqueue` lists; without it images are drawn.
    Each row is measured in a process of its own, while nothing else should run here.
    """
    interrupt.keeps("nothing was kept of the measurement: start it again")
    checkpoints = [Path(path) for path in paths if path.endswith(_ENDING)]
    sources = [path for path in paths if not path.endswith(_ENDING)]
    try:
        _compare(checkpoints, sources, count)
    except click.ClickException as error:
        # A line, whatever names are in it.
        raise BenchError(for_terminal(error.message)) from error


def _compare(checkpoints: Sequence[Path], sources: Sequence[str], count: int) -> None:
    if not checkpoints or len(sources) > 1:
        raise BenchError("give one .keras file or several, and then at most one source of images")
    cards = {path: claimed_card(path) for path in checkpoints}
    with interrupt.unwound(), TemporaryDirectory() as folder:
        root, images = _images(sources, Path(folder), count)
        what = "images" if sources else "drawn images"
        tell(f"{processor()}, {threads()} threads; {len(images)} {what}")
        rows = []
        jobs = [
            (path, card, precision)
            for path, card in cards.items()
            for precision in (PRECISIONS[:1] if card.quantised else PRECISIONS)
        ]
        for number, (path, card, precision) in enumerate(jobs, 1):
            name, quantised = shown(path.name), card.quantised is not None
            what = "int8" if quantised else precision
            tell(f"{number} of {len(jobs)}: {name} in {what} …", err=True)
            job = Job(str(path.absolute()), card.digest, precision, images)
            rows.append(Row(name, str(path), precision, measure(job, root), quantised))
            tell(f"  {_brief(rows[-1].found)}", err=True)
    for line in table(rows):
        tell(line)
    tell(advice(rows))


def _images(sources: Sequence[str], drawn: Path, count: int) -> tuple[str | None, list[str]]:
    """The data root, None for the one that is set, and paths below it."""
    if not sources:
        return str(drawn), draw_images(drawn, min(count, 64))
    (source,) = sources
    if Path(source).is_dir():  # it need not lie where the images of runs lie
        folder = os.path.realpath(source)
        listed = list_source(folder, Path(folder))
        return folder, [image.path for image in islice(listed, count)]
    return None, [image.path for image in islice(list_source(source, data_root()), count)]


def _brief(found: Measured | NotMeasured) -> str:
    if isinstance(found, NotMeasured):
        return f"n/a: {found.reason}"
    return f"{found.network_rate:.1f} images/s, {found.rate:.1f} with decoding"
