"""Writes of an enqueueing that finds a run's images changed, gone or back in their source.

The caller holds the run's lock.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import case, delete, func, null, select, text, update
from sqlalchemy.orm import Session

from db.clock import Now
from db.queries.leases import BatchKey
from db.queries.listing import highest_batch
from db.queries.outcomes import finish_batch
from db.tables import Batch, Image, Prediction

# SQLite takes at most 32766 variables in one statement.
CHUNK = 10_000
WRONG_DIGEST = "wrong_digest"
_WITHOUT_SYNC = {"synchronize_session": False}
# Found by their path, in the unique index; see `db.queries.listing`. SQLite would read all images
# for each change if they came as one value.
_CHANGE = "UPDATE images SET label = ?, attributes = ? WHERE run_id = ? AND path = ?"
_CHANGE_AT_ONCE = text(
    "UPDATE images SET label = changed.label, attributes = changed.attributes FROM"
    " (SELECT found.id, CAST(given.row ->> 1 AS integer) AS label,"
    " CAST(given.row ->> 2 AS jsonb) AS attributes"
    " FROM json_array_elements(CAST(:changes AS json)) AS given (row)"
    " CROSS JOIN LATERAL (SELECT id FROM images"
    " WHERE run_id = :run_id AND path = given.row ->> 0 LIMIT 1) AS found) AS changed"
    " WHERE images.id = changed.id"
)


class ChangedImage(NamedTuple):
    """What a row of the source says of an image of the run; attributes are JSON text."""

    path: str
    label: int | None
    attributes: str | None


def packed(changes: Sequence[ChangedImage]) -> str:
    """The changes as one value, which takes a fraction of their memory."""
    return json.dumps(changes, ensure_ascii=False)


def change_images(session: Session, run_id: int, changes: str) -> None:
    """Give images of the run their new label and attributes; `changes` are `packed`."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(_CHANGE_AT_ONCE, {"run_id": run_id, "changes": changes})
        return
    unpacked = map(ChangedImage._make, json.loads(changes))
    connection.exec_driver_sql(
        _CHANGE, [(one.label, one.attributes, run_id, one.path) for one in unpacked]
    )


def count_images(session: Session, run_id: int, last_batch: int) -> int:
    """How many images the run has up to this batch."""
    counted = select(func.count()).where(Image.run_id == run_id, Image.batch <= last_batch)
    return session.scalar(counted) or 0


def image_ids(session: Session, run_id: int, last_batch: int) -> Iterator[int]:
    """The ids of these images, in the order of the listing."""
    yield from session.scalars(
        select(Image.id)
        .where(Image.run_id == run_id, Image.batch <= last_batch)
        .order_by(Image.batch, Image.id),
        execution_options={"yield_per": CHUNK},
    )


def paths_of(session: Session, ids: Sequence[int]) -> list[str]:
    """The paths of a few images, in the order of the listing."""
    found = select(Image.path).where(Image.id.in_(ids)).order_by(Image.batch, Image.id)
    return list(session.scalars(found))


def mark_gone(session: Session, ids: Sequence[int]) -> int:
    """Note that the source lists these no longer; returns for how many that is new."""
    return _mark(session, ids, gone=True)


def mark_back(session: Session, ids: Sequence[int]) -> int:
    """Note that the source lists these again; returns how many it were."""
    return _mark(session, ids, gone=False)


def prune_images(session: Session, run_id: int, ids: Sequence[int]) -> None:
    """Remove images of cut batches with their predictions.

    Their batches get new numbers. So a worker that still holds one, with an image that is gone,
    stores nothing for it: SQLite may give the image's id to another one.
    """
    numbers = _batches_of(session, ids)
    unfinished = _locked(session, run_id, numbers)
    for chunk in _chunks(ids):
        _forget_suspects(session, run_id, numbers, chunk)
        for statement in (
            delete(Prediction).where(Prediction.image_id.in_(chunk)),
            delete(Image).where(Image.id.in_(chunk)),
        ):
            session.execute(statement, execution_options=_WITHOUT_SYNC)
    for new, number in enumerate(numbers, start=highest_batch(session, run_id) + 1):
        _renumber(session, run_id, number, new)
        if number in unfinished:
            finish_batch(session, BatchKey(run_id, new))  # if the rest has its outcome


def take_out_other_bytes(session: Session, run_id: int, digests: Mapping[int, str]) -> list[int]:
    """Remove predictions that were made of other bytes; returns their images, which are pending.

    `digests` has the corrected `sha256` of images by id, in lower case, or "" where there is none.
    Batches that are not finished, or no longer, get new numbers: a worker that holds one compares
    with the digest that was there before, and stores nothing.
    """
    numbers = _batches_of(session, list(digests))
    renumbered = _locked(session, run_id, numbers)
    found = [
        image_id for chunk in _chunks(list(digests)) for image_id in _other(session, digests, chunk)
    ]
    reopened = set(_batches_of(session, found)) - renumbered
    for chunk in _chunks(found):
        _forget_suspects(session, run_id, numbers, chunk)
        session.execute(
            delete(Prediction).where(Prediction.image_id.in_(chunk)),
            execution_options=_WITHOUT_SYNC,
        )
    changed = sorted(renumbered | reopened)
    for new, number in enumerate(changed, start=highest_batch(session, run_id) + 1):
        _renumber(session, run_id, number, new)
        if number in reopened:
            _reopen(session, run_id, new)
    return found


def _other(session: Session, digests: Mapping[int, str], ids: Sequence[int]) -> list[int]:
    """Those of these images whose prediction is of other bytes, or says so and is wrong."""
    rows = session.execute(
        select(Prediction.image_id, Prediction.image_digest, Prediction.error)
        .where(Prediction.image_id.in_(ids), Prediction.image_digest.is_not(None))
        .order_by(Prediction.image_id)
    )
    return [
        image_id
        for image_id, digest, error in rows
        if error == WRONG_DIGEST or digests[image_id] not in ("", digest)
    ]


def _reopen(session: Session, run_id: int, number: int) -> None:
    """Make a finished batch as if it had never been tried."""
    session.execute(
        update(Batch)
        .where(Batch.run_id == run_id, Batch.number == number)
        .values(finished_at=None, attempts=0, suspect_id=None, suspect_starts=0),
        execution_options=_WITHOUT_SYNC,
    )


def _mark(session: Session, ids: Sequence[int], *, gone: bool) -> int:
    changed = 0
    for chunk in _chunks(ids):
        other = Image.gone_at.is_(None) if gone else Image.gone_at.is_not(None)
        marked = session.execute(
            update(Image)
            .where(Image.id.in_(chunk), other)
            .values(gone_at=Now() if gone else null())
            .returning(Image.id),
            execution_options=_WITHOUT_SYNC,
        )
        changed += len(marked.all())
    return changed


def _batches_of(session: Session, ids: Sequence[int]) -> list[int]:
    found: set[int] = set()
    for chunk in _chunks(ids):
        found.update(session.scalars(select(Image.batch).where(Image.id.in_(chunk)).distinct()))
    return sorted(found)


def _locked(session: Session, run_id: int, numbers: Sequence[int]) -> set[int]:
    """Lock the batches before their images, as workers do; returns those that are unfinished."""
    unfinished: set[int] = set()
    for chunk in _chunks(numbers):
        rows = session.execute(
            select(Batch.number, Batch.finished_at)
            .where(Batch.run_id == run_id, Batch.number.in_(chunk))
            .order_by(Batch.number)
            .with_for_update()
        )
        unfinished.update(number for number, finished_at in rows if finished_at is None)
    return unfinished


def _forget_suspects(
    session: Session, run_id: int, numbers: Sequence[int], ids: Sequence[int]
) -> None:
    for chunk in _chunks(numbers):
        session.execute(
            update(Batch)
            .where(Batch.run_id == run_id, Batch.number.in_(chunk), Batch.suspect_id.in_(ids))
            .values(suspect_id=None, suspect_starts=0),
            execution_options=_WITHOUT_SYNC,
        )


def _renumber(session: Session, run_id: int, number: int, new: int) -> None:
    """Give a batch another number; what a worker began with the old one does not count."""
    attempts = case((Batch.leased_until > Now(), Batch.attempts - 1), else_=Batch.attempts)
    for statement in (
        update(Image).where(Image.run_id == run_id, Image.batch == number).values(batch=new),
        update(Batch)
        .where(Batch.run_id == run_id, Batch.number == number)
        .values(number=new, attempts=attempts, leased_until=None, published_at=None),
    ):
        session.execute(statement, execution_options=_WITHOUT_SYNC)


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
