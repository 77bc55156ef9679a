"""The command `producer`. Imports wait until they are needed: --help answers at once."""

from pathlib import Path
from typing import get_args

import click

from base.console import interrupt
from base.console.terminal import Program
from db.precisions import PRECISIONS
from db.run_option import names_run
from imaging.errors import ErrorCode
from imaging.listing.labels import label_option, with_labels

# What Ctrl-C leaves.
_ENQUEUE_AGAIN = "the same command goes on with what is listed"
RUNS_GO_ON = "runs go on without this terminal"

layout_option = click.option(
    "--format", "layout", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group(cls=Program)
def main() -> None:
    """List images, enqueue them for scoring, and say how far their runs are."""


@main.command()
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
    help="What the workers compute in; bfloat16 halves the time on a CPU that has it.",
)
@click.option(
    "--keep-features",
    is_flag=True,
    help="Let the workers keep the backbone's features in FEATURE_CACHE, and use those there.",
)
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1, 4096))
@click.option("--name", help="A name for the run, to know it by instead of its number.")
@click.option("--new-run", is_flag=True, help="Create a new run instead of resuming.")
@label_option
@click.option("--wait", is_flag=True, help="Show progress until every image has its outcome.")
def enqueue(
    sources: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    precision: str,
    keep_features: bool,
    batch_size: int,
    name: str | None,
    new_run: bool,
    labels: tuple[tuple[str, int], ...],
    wait: bool,
) -> None:
    """Enqueue the images of SOURCE for scoring.

    SOURCE is a folder (of class folders or of loose images), a quoted glob, a CSV manifest with a
    column filepath or path and perhaps label, or - for a manifest on standard input. Enqueued
    again, it resumes: new files are added, and what is finished stays as it is.
    """
    if len(sources) > 1:
        raise click.UsageError("one SOURCE at a time; put a glob in quotes: 'data/test/*.jpg'")
    if name is not None and len(checkpoints) > 1:
        raise click.UsageError("--name is for one run: name one --checkpoint, or leave out --name")
    interrupt.keeps(_ENQUEUE_AGAIN)
    from imaging.data_root import data_root
    from imaging.listing.sources import list_source, source_key
    from producer.orders import Order, checkpoint_setting
    from producer.run_order import run_order

    root = data_root()
    source = sources[0]
    order = Order(
        source if source == "-" else source_key(source, root),
        checkpoints or checkpoint_setting(),
        batch_size,
        name,
        new_run,
        precision,
        keep_features,
    )
    with interrupt.unwound():
        run_order(order, list_source(source, root, with_labels(labels)), wait=wait)


@main.command()
@names_run(required=False)
@click.option("--watch", is_flag=True, help="Live, until every image has its outcome.")
@layout_option
def status(run: str | None, watch: bool, layout: str) -> None:
    """Say how far RUN is, by number or name; all runs without one.

    With its images by outcome, images per second and time left, the workers with their last batch
    and their lease, and what keeps a run from getting on.
    """
    interrupt.keeps(RUNS_GO_ON)
    from producer.show import show_status

    if watch and layout != "table":
        raise click.UsageError("--watch is for a terminal: leave out --format")
    with interrupt.unwound():  # a live view hides the cursor
        show_status(run, layout, watch=watch)


@main.command()
@layout_option
def runs(layout: str) -> None:
    """List all runs."""
    interrupt.keeps(RUNS_GO_ON)
    from producer.show import show_runs

    show_runs(layout)


@main.command(short_help="Delete a run with its images, scores and errors.")
@names_run(required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(run: str, yes: bool) -> None:
    """Delete RUN, by number or name: its images, scores and errors in the database.

    Image files and the checkpoint stay. It cannot be taken back.
    """
    interrupt.keeps(f"`producer delete {run}` begins again, or goes on with the rest")
    from producer import delete as deleting

    deleting.delete(run, sure=yes)


@main.command()
@names_run(required=False)
def resume(run: str | None) -> None:
    """Send what RUN, or every run, still owes and nobody works on, now.

    Workers find it by themselves within half a minute; this does not wait for them.
    """
    interrupt.keeps("what was not sent yet is still owed, and workers find it")
    from producer import retry as retrying

    retrying.resume(run)


@main.command(short_help="Clear errors of a run and score their images again.")
@names_run(required=False)
@click.option(
    "--error",
    "codes",
    multiple=True,
    required=True,
    metavar="CODE",
    type=click.Choice(get_args(ErrorCode)),
    help="An error as `producer status RUN` and docs/images.md name it; may be given again.",
)
def retry(run: str | None, codes: tuple[str, ...]) -> None:
    """Clear errors of RUN (the newest without one) and score their images again."""
    interrupt.keeps("errors are cleared all or none, and workers find what is owed then")
    from producer import retry as retrying

    retrying.retry(run, codes)
