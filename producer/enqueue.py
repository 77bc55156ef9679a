"""Turns rows into images, batches and messages; the ledger comes before the messages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from base.listed_image import ListedImage
from db.queries.history import note_change
from db.queries.leases import BatchKey
from db.queries.listing import (
    StoredColumns,
    claim_unleased,
    cut_batches,
    drop_run_if_empty,
    highest_batch,
    lock_run,
    stage_images,
    stored_images,
    unstage_images,
)
from db.queries.refusals import forget_refusals
from db.session import Database
from imaging.errors import SourceError
from producer.following import (
    Following,
    contradiction,
    follow,
    refuse_pruning_most,
    refuse_relabelled,
)

# Images per transaction; few enough that no worker waits long for SQLite's write lock.
CHUNK = 10_000


class Allowed(NamedTuple):
    """What an enqueueing may change: labels, and images that are gone from the source.

    With `prune` 1 it may take out at most half of the images of a run, with 2 any number.
    """

    relabel: bool = False
    prune: int = 0


NOTHING = Allowed()


@dataclass
class Listing:
    """The result of listing a source into a run; `carried` images wait to fill up a batch."""

    run_id: int
    new: int = 0
    known: int = 0
    unlabelled: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)
    carried: list[ListedImage] = field(default_factory=list)
    following: Following = field(default_factory=lambda: Following(0))

    @property
    def images(self) -> int:
        """New and known together."""
        return self.new + self.known


def list_into_runs(
    database: Database,
    run_ids: Sequence[int],
    rows: Iterator[ListedImage],
    on_progress: Callable[[int], None],
    allowed: Allowed = NOTHING,
) -> list[Listing]:
    """Stage new images of each run in chunks, then make all of them available to workers at once.

    Then, too, the images that a run had before are changed as the source has changed.
    `on_progress` is called with the number of images so far. A bad source leaves the runs as they
    were; a producer that is killed or interrupted leaves staged images for the next `enqueue`.

    Raises:
        SourceError: the source is bad, or asks for a change that is not `allowed`.
    """
    listings = [_begun(database, run_id) for run_id in run_ids]
    try:
        _stage(database, rows, listings, on_progress)
        _require_allowed(database, listings, allowed)
    except SourceError:
        for listing in listings:
            _take_back(database, listing)
        raise
    for listing in listings:
        with database.write() as session:
            lock_run(session, listing.run_id)
            note_change(session, listing.run_id, "enqueued", cut_batches(session, listing.run_id))
            follow(session, listing.run_id, listing.following, prune=allowed.prune > 0)
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
            f"{error.message}; nothing is lost: once that is mended, workers find the batches in "
            "the ledger, and `producer resume` sends them at once"
        ) from error
    return len(unfinished)


def _begun(database: Database, run_id: int) -> Listing:
    with database.read() as session:
        return Listing(run_id, following=Following(highest_batch(session, run_id)))


def _require_allowed(database: Database, listings: Sequence[Listing], allowed: Allowed) -> None:
    for listing in listings:
        if not allowed.relabel:
            refuse_relabelled(listing.following)
        if allowed.prune == 1:
            with database.read() as session:
                refuse_pruning_most(session, listing.run_id, listing.following)


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
        stored = stored_images(session, run_id, [row.path for row in chunk])
        new = _new_images(chunk, stored, listing)
        keep = len(new) if last else len(new) - len(new) % run.batch_size
        span = stage_images(session, run, new[:keep])
    if span is not None:
        listing.spans.append(span)
    listing.new += keep
    listing.known += len(chunk) - len(new)
    listing.unlabelled += sum(row.label is None for row in new[:keep])
    listing.carried = new[keep:]


def _new_images(
    chunk: list[ListedImage], stored: StoredColumns, listing: Listing
) -> list[ListedImage]:
    """The rows whose path is not in the run yet, each path once; the others are compared with it.

    Raises:
        SourceError: a row gives an image another label than an earlier row.
    """
    if listing.following.takes_as_before(chunk, stored):
        return []
    new: dict[str, ListedImage] = {}
    had, images = [], stored.by_path()
    for row in chunk:
        image = images.get(row.path)
        if image is None:
            _require_agreement(row, new.setdefault(row.path, row).label)
        elif image.batch <= listing.following.before:
            had.append((row, image))
        else:  # of an earlier row, or of another producer of this source
            _require_agreement(row, image.label)
    listing.following.compare(had)
    return list(new.values())


def _require_agreement(row: ListedImage, earlier: int | None) -> None:
    if row.label != earlier:
        raise contradiction(row, earlier)
