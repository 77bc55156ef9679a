"""Rows to run, images, batches and messages. The ledger first: a message is only a hint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from db.ledger import BatchKey
from db.listing import (
    ListedImage,
    claim_owed,
    cut_batches,
    drop_run_if_empty,
    lock_run,
    stage_images,
    stored_labels,
    unstage_images,
)
from db.session import Database
from model.errors import SourceError
from model.sources import Listed

# Images of one transaction; short enough that no worker waits long for SQLite's write lock.
CHUNK = 10_000


@dataclass
class Listing:
    """What came of listing a source into a run."""

    new: int = 0
    known: int = 0
    unlabelled: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def images(self) -> int:
        """New and known together."""
        return self.new + self.known


def list_into_run(
    database: Database, run_id: int, rows: Iterator[Listed], told: Callable[[int], None]
) -> Listing:
    """Stage new images in chunks, then make all of them owed at once.

    `told` is called with the number of images so far. A source that turns out bad leaves the run as
    it was; a producer that is killed or interrupted leaves staged images for the next `enqueue`.

    Raises:
        SourceError: the source is bad, or gives an image another label than the run holds.
    """
    listing = Listing()
    try:
        _stage(database, run_id, rows, listing, told)
    except SourceError:
        with database.write() as session:
            lock_run(session, run_id)
            for span in listing.spans:
                unstage_images(session, run_id, *span)
            drop_run_if_empty(session, run_id)
        raise
    with database.write() as session:
        lock_run(session, run_id)
        cut_batches(session, run_id)
    return listing


def publish_owed(database: Database, run_id: int) -> int:
    """Send a message for each batch that nobody finished or holds; returns how many."""
    from worker.publish import publish  # deferred: Celery, which a bad order should not wait for

    with database.write() as session:
        owed = claim_owed(session, run_id)
    publish(BatchKey(run_id, number) for number in owed)
    return len(owed)


def _stage(
    database: Database,
    run_id: int,
    rows: Iterator[Listed],
    listing: Listing,
    told: Callable[[int], None],
) -> None:
    carried: list[Listed] = []
    while chunk := list(islice(rows, CHUNK)):
        carried = _stage_chunk(database, run_id, carried + chunk, listing, last=False)
        told(listing.images + len(carried))
    if carried:
        _stage_chunk(database, run_id, carried, listing, last=True)


def _stage_chunk(
    database: Database, run_id: int, chunk: list[Listed], listing: Listing, *, last: bool
) -> list[Listed]:
    """Stage whole batches of what is new in `chunk`; returns the rest, for the next to fill up."""
    with database.write() as session:
        run = lock_run(session, run_id)
        new = _new_images(chunk, stored_labels(session, run_id, [row.path for row in chunk]))
        keep = len(new) if last else len(new) - len(new) % run.batch_size
        images = [ListedImage(row.path, row.label, row.attributes) for row in new[:keep]]
        span = stage_images(session, run, images)
    if span is not None:
        listing.spans.append(span)
    listing.new += keep
    listing.known += len(chunk) - len(new)
    listing.unlabelled += sum(image.label is None for image in images)
    return new[keep:]


def _new_images(chunk: list[Listed], stored: dict[str, int | None]) -> list[Listed]:
    """The rows whose path the run does not hold yet, each path once."""
    new = []
    for row in chunk:
        if row.path not in stored:
            stored[row.path] = row.label
            new.append(row)
        elif stored[row.path] != row.label:
            raise SourceError(
                f"{row.where or row.path}: {row.path} has label {_say(row.label)} here and "
                f"{_say(stored[row.path])} in the run: make the two agree, or use --new-run"
            )
    return new


def _say(label: int | None) -> str:
    return "none" if label is None else str(label)
