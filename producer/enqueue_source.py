"""What `producer enqueue` does and prints."""

import gc
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click

from base.console import interrupt
from base.console.foreign import shown
from base.console.progress_counter import end_count, progress_counter
from base.console.telling import tell
from base.listed_image import ListedImage
from base.settings import read_settings
from db.queries.report.thresholds import chosen_last
from db.queries.results import Progress, failed_wholly, progress
from db.queries.runs import (
    drop_checkpoint_if_unused,
    group_runs,
    keep_features,
    newest_checkpoint,
)
from db.session import Database, open_database
from db.unused_ledger import remove_if_unused
from imaging.data_root import data_root
from imaging.errors import SourceError
from imaging.listing.absent import PathSample
from imaging.listing.class_folders import refuse_reversed
from imaging.listing.labels import GivenLabels
from imaging.listing.selection import Selection
from imaging.listing.sources import list_source
from imaging.listing.stored_keys import source_key
from imaging.listing.tables.manifest_options import ManifestOptions
from imaging.nothing_scored import NOTHING_SCORED, nothing_scored
from producer.enqueue import Allowed, Listing, batch_count, list_into_runs, publish_unfinished
from producer.find_run import (
    EnqueueRequest,
    checkpoint_setting,
    choose_checkpoints,
    find_or_make_run,
)
from producer.following import changes_in_words
from producer.watch import RunRefusedError, wait_for_run
from worker.broker.address import broker_of
from worker.observability import tracing

# What there is to say about the listing, once it has ended.
Notes = Callable[[], Iterable[str]]


class EnqueuedRun(NamedTuple):
    """A run of a request; `is_new` says whether its checkpoint was new.

    `has_threshold` says whether a report about it needs no --threshold.
    """

    run_id: int
    checkpoint_id: int
    digest: str
    is_new: bool
    has_threshold: bool


def enqueue_source(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    sources: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    precision: str,
    keep_features: bool,
    batch_size: int,
    name: str | None,
    new_run: bool,
    images: tuple[str, ...],
    path_column: str | None,
    label_columns: tuple[tuple[str, str | None], ...],
    labels: GivenLabels,
    relabel: bool,
    prune: int,
    exclude: tuple[str, ...],
    allow_missing: bool,
    wait: bool,
) -> None:
    """List a source into its runs, publish unfinished batches, and suggest the next command."""
    if len(sources) > 1:
        raise click.UsageError("one SOURCE at a time; put a glob in quotes: 'data/test/*.jpg'")
    if name is not None and len(checkpoints) > 1:
        raise click.UsageError("--name is for one run: name one --checkpoint, or leave out --name")
    root, source = data_root(), sources[0]
    request = EnqueueRequest(
        source if source == "-" else source_key(source, root),
        checkpoints or checkpoint_setting(),
        batch_size,
        name,
        new_run,
        precision,
        keep_features,
        Allowed(relabel, prune),
        labels,
    )
    selection = Selection(exclude, labels.given)
    sample = PathSample(root, source, allow_missing=allow_missing)
    with interrupt.unwound():
        options = ManifestOptions(images, path_column, label_columns)
        listed = list_source(source, root, labels, options, selection)
        rows = listed if images else sample.watch(listed)  # --images looked for all of them
        _run(request, rows, lambda: chain(selection.lines(), sample.lines()), wait=wait)


def _run(request: EnqueueRequest, rows: Iterator[ListedImage], notes: Notes, *, wait: bool) -> None:
    tracing.set_up()
    broker_of(read_settings())  # fails before anything is made
    database = open_database()
    if database.warning is not None:
        tell(database.warning, err=True)
    with tracing.enqueue(), remove_if_unused(database):
        started = chain([next(rows)], rows)  # a missing source makes no run
        made, pending = _enqueue(database, request, started, notes)
    refused = _wait_for_all(database, pending) if wait else []
    if pending and not wait:
        tell("next: celery -A worker worker --drain")
        return
    failed = _tell_failed(database, made, refused)
    for run in made:
        if run.run_id not in (*refused, *failed):
            threshold = "" if run.has_threshold else " --threshold 0.23"
            tell(f"next: report --run {run.run_id}{threshold}")
    if refused or (wait and failed):
        raise SystemExit(1 if refused else NOTHING_SCORED)


def _wait_for_all(database: Database, pending: list[int]) -> list[int]:
    """Wait until each run ends; returns those that no worker will score."""
    refused = []
    for run_id in pending:
        again = f"`producer status {run_id} --watch` looks again"
        interrupt.keeps(f"run {run_id} goes on without this terminal: {again}")
        try:
            counts = wait_for_run(database, run_id)
        except RunRefusedError as error:
            tell(f"Error: {error.message}", err=True)
            refused.append(run_id)
        else:
            tell(f"run {run_id}: {counts.scored} scored, {counts.unreadable} unreadable")
    return refused


def _tell_failed(database: Database, made: list[EnqueuedRun], refused: list[int]) -> list[int]:
    """Report the runs in which no image could be scored, and return them."""
    failed = []
    for run in made:
        with database.read() as session:
            found = failed_wholly(session, run.run_id) if run.run_id not in refused else None
        if found is not None:
            tell(f"Error: run {run.run_id}: {nothing_scored(run.run_id, *found)}", err=True)
            failed.append(run.run_id)
    return failed


def _enqueue(
    database: Database, request: EnqueueRequest, rows: Iterator[ListedImage], notes: Notes
) -> tuple[list[EnqueuedRun], list[int]]:
    """The runs of the request, and the ids of those with unfinished batches."""
    made = _make_runs(database, request)
    listings = _list(database, made, rows, request.allowed)
    database.tell_if_new()  # not before: after a bad row the new ledger is removed again
    _join(database, request, made)
    pending = []
    for run, listing in zip(made, listings, strict=True):
        with database.read() as session:
            counts = progress(session, run.run_id)
        tell(_summary(run, listing, counts))
        for line in changes_in_words(run.run_id, listing.following):
            tell(line)
        interrupt.keeps("what is listed is kept, workers find it; `producer resume` sends it now")
        if counts.pending:
            pending.append(run.run_id)
    for line in notes():
        tell(line)
    batches = publish_unfinished(database, pending) if pending else 0
    if pending:
        tell(_sent(batches, new=any(listing.new for listing in listings)))
    tracing.note([run.run_id for run in made], batches)
    return made, pending


def _make_runs(database: Database, request: EnqueueRequest) -> list[EnqueuedRun]:
    with database.write() as session:
        newest = newest_checkpoint(session)
        made = []
        for checkpoint in choose_checkpoints(session, request.checkpoints):
            names = checkpoint.card.get("class_names", ())
            refuse_reversed(shown(checkpoint.path), names, request.labels)
            run = find_or_make_run(session, request, checkpoint)
            is_new = newest is None or checkpoint.id > newest.id
            chosen = checkpoint.card.get("threshold") or chosen_last(session, checkpoint.id)
            made.append(EnqueuedRun(run.id, checkpoint.id, checkpoint.digest, is_new, bool(chosen)))
    return made


def _join(database: Database, request: EnqueueRequest, made: list[EnqueuedRun]) -> None:
    """Change existing runs as requested; done last, because a bad source should change nothing."""
    run_ids = [run.run_id for run in made]
    with database.write() as session:
        group_runs(session, run_ids)
        if request.keep_features:
            keep_features(session, run_ids)


def _list(
    database: Database, made: list[EnqueuedRun], rows: Iterator[ListedImage], allowed: Allowed
) -> list[Listing]:
    # Otherwise all that was imported is searched for garbage again and again, half of the time.
    gc.freeze()
    try:
        return list_into_runs(
            database,
            [run.run_id for run in made],
            rows,
            lambda images: progress_counter(f"{images:,} images listed"),
            allowed,
        )
    except SourceError:
        with database.write() as session:
            for run in made:
                if run.is_new:  # otherwise the next request without --checkpoint would use it
                    drop_checkpoint_if_unused(session, run.checkpoint_id)
        raise
    finally:
        end_count()


def _summary(made: EnqueuedRun, listing: Listing, counts: Progress) -> str:
    unlabelled = f", {listing.unlabelled} of the new without label" if listing.unlabelled else ""
    return (
        f"run {made.run_id}: {counts.listed} images ({listing.new} new{unlabelled}), "
        f"checkpoint {made.digest[:12]}; {counts.scored} scored, {counts.unreadable} unreadable, "
        f"{counts.pending} pending"
    )


def _sent(batches: int, *, new: bool) -> str:
    if new:
        return f"{batch_count(batches)} enqueued"
    if not batches:
        return "no image is new: workers hold the batches that are unfinished"
    what = "1 unfinished batch was" if batches == 1 else f"{batches} unfinished batches were"
    return f"no image is new: {what} sent again, and nothing is scored twice"
