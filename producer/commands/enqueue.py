from pathlib import Path

import click

from base.console.lazy_group import calls
from db.precisions import PRECISIONS
from db.views import VIEWS
from imaging.listing.labels import label_option
from imaging.listing.selection import exclude_option
from imaging.listing.tables.manifest_options import manifest_options


@click.command()
@click.argument("sources", metavar="SOURCE", nargs=-1, required=True)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The .keras file to score with; given several times, a run for each, and every image is "
    "decoded once for all. Default: $CHECKPOINT, or the newest that is known.",
)
@click.option(
    "--precision",
    default=PRECISIONS[0],
    show_default=True,
    type=click.Choice(PRECISIONS),
    help="What the workers compute in. bfloat16 takes half of float32's time on AMD Zen 4, but on "
    "Intel without AMX more: workers time both, and `python -m worker.bench` compares them.",
)
@click.option(
    "--views",
    default=VIEWS[0],
    show_default=True,
    type=click.Choice(VIEWS),
    help="Score each image as the mean over its flips (4), or over flips and quarter turns (8); it "
    "takes as many times as long, except for the decoding.",
)
@click.option(
    "--keep-features",
    is_flag=True,
    help="Let the workers keep the backbone's features in FEATURE_CACHE, and use those there.",
)
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1, 4096))
@click.option("--name", help="A name for the run, to know it by instead of its number.")
@click.option("--new-run", is_flag=True, help="Create a new run instead of resuming.")
@manifest_options
@label_option
@click.option("--relabel", is_flag=True, help="Take over labels that changed in SOURCE.")
@click.option(
    "--prune",
    count=True,
    help="Take out images that are no longer in SOURCE, with their scores; given twice, also if it "
    "is more than half of the run.",
)
@exclude_option
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Enqueue a manifest although most of its images are not under DATA_ROOT.",
)
@click.option("--wait", is_flag=True, help="Show progress until every image has its outcome.")
@calls(
    "producer.enqueue_source:enqueue_source", keeps="the same command goes on with what is listed"
)
def command() -> None:
    """Enqueue the images of SOURCE for scoring.

    SOURCE is a folder (of class folders or of loose images), a quoted glob, a CSV manifest with a
    column filepath or path and perhaps label, or - for a manifest on standard input. Enqueued
    again, it resumes: new files are added, new labels and changed attributes are taken over, and
    what is finished stays as it is.

    Other CSV files are read, too: --path-column, --label-column and --label say what their columns
    and values mean. The data sets in docs/datasets.md are known: for them --images is enough.
    """
