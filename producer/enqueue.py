"""Turns rows into images, batches and messages; the ledger comes before the messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from sqlalchemy.orm import Session

from base.console.foreign import shown
from base.listed_image import ListedImage
from db.queries.leases import BatchKey
from db.queries.listing import (
    batch_of,
    claim_unleased,
    cut_batches,
    drop_run_if_empty,
    lock_run,
    stage_images,
    stored_labels,
    unstage_images,
)
from db.queries.refusals import forget_refusals
from db.session import Database
from imaging.errors import SourceError

# Images per transaction; few enough that no worker waits long for SQLite's write lock.
CHUNK = 10_000


@dataclass
class Listing:
    """The result of listing a source into a run; `carried` images wait to fill up a batch."""

    run_id: int
    new: int = 0
    known: int = 0
    unlabelled: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    carried: list[ListedImage] = field(default_factory=list)

    @property
    def images(self) -> int:
        """New and known together."""
        return self.new + self.known


def list_into_runs(
    database: Database,
    run_ids: Sequence[int],
    rows: Iterator[ListedImage],
    on_progress: Callable[[int], None],
) -> list[Listing]:
    """Stage new images of each run in chunks, then make all of them available to workers at once.

    `on_progress` is called with the number of images so far. A bad source leaves the runs as they
    were; a producer that is killed or interrupted leaves staged images for the next `enqueue`.

    Raises:
        SourceError: the source is bad, or gives an image another label than a run holds.
    """
    listings = [Listing(run_id) for run_id in run_ids]
    try:
        _stage(database, rows, listings, on_progress)
    except SourceError:
        for listing in listings:
            _take_back(database, listing)
        raise
    for run_id in run_ids:
        with database.write() as session:
            lock_run(session, run_id)
            cut_batches(session, run_id)
    return listings


def batch_count(batches: int) -> str:
    """How many batches, in words."""
    return f"{batches} batch{'' if batches == 1 else 'es'}"


def publish_unfinished(database: Database, run_ids: Sequence[int]) -> int:
    """Send a message for each unfinished batch that no worker holds; returns how many.

    The runs of a group share a message: leasing a batch of one run leases it of all.

    Raises:
        BrokerError: the broker does not answer; the batches stay unfinished.
    """
    # Deferred: Celery is slow to import, and a bad request should not wait for it.
    from worker.broker.address import BrokerError
    from worker.publish import publish

    unfinished: dict[int, BatchKey] = {}
    for run_id in run_ids:
        with database.write() as session:
            forget_refusals(session, [run_id])  # workers that refused it try again
            for batch_number in claim_unleased(session, run_id):
                unfinished.setdefault(batch_number, BatchKey(run_id, batch_number))
    try:
        publish(unfinished.values())
    except BrokerError as error:
        raise BrokerError(
            f"{error.message}; nothing is lost: workers find the unfinished batches in the "
            "ledger once the broker is back"
        ) from error
    return len(unfinished)


def _take_back(database: Database, listing: Listing) -> None:
    with database.write() as session:
        lock_run(session, listing.run_id)
        for span in listing.spans:
            unstage_images(session, listing.run_id, *span)
        drop_run_if_empty(session, listing.run_id)


def _stage(
    database: Database,
    rows: Iterator[ListedImage],
    listings: Sequence[Listing],
    on_progress: Callable[[int], None],
) -> None:
    while chunk := list(islice(rows, CHUNK)):
        for listing in listings:
            _stage_chunk(database, listing, listing.carried + chunk, last=False)
        on_progress(listings[0].images + len(listings[0].carried))
    for listing in listings:
        if listing.carried:
            _stage_chunk(database, listing, listing.carried, last=True)


def _stage_chunk(
    database: Database, listing: Listing, chunk: list[ListedImage], *, last: bool
) -> None:
    """Stage the new images of `chunk` in whole batches; the rest is carried to the next chunk."""
    run_id = listing.run_id
    with database.write() as session:
        run = lock_run(session, run_id)
        stored = stored_labels(session, run_id, [row.path for row in chunk])
        new = _new_images(chunk, stored, partial(_is_of_source, session, listing))
        keep = len(new) if last else len(new) - len(new) % run.batch_size
        span = stage_images(session, run, new[:keep])
    if span is not None:
        listing.spans.append(span)
    listing.new += keep
    listing.known += len(chunk) - len(new)
    listing.unlabelled += sum(row.label is None for row in new[:keep])
    listing.carried = new[keep:]


def _new_images(
    chunk: list[ListedImage], stored: dict[str, int | None], is_of_source: Callable[[str], bool]
) -> list[ListedImage]:
    """The rows whose path is not in the run yet, each path once.

    `is_of_source` says whether a path in the run was added by this listing.
    """
    new = []
    for row in chunk:
        if row.path not in stored:
            stored[row.path] = row.label
            new.append(row)
        elif stored[row.path] != row.label:
            path = shown(row.path)
            here = f"{row.where or path}: {path} has label {_say(row.label)} here and"
            there = _say(stored[row.path])
            if any(image.path == row.path for image in new) or is_of_source(row.path):
                raise SourceError(f"{here} {there} in an earlier row: make the two agree")
            raise SourceError(f"{here} {there} in the run: make the two agree, or use --new-run")
    return new


def _is_of_source(session: Session, listing: Listing, path: str) -> bool:
    batch = batch_of(session, listing.run_id, path)
    return any(first <= batch <= last for first, last in listing.spans)


def _say(label: int | None) -> str:
    return "none" if label is None else str(label)
