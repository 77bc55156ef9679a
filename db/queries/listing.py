"""Writes of the producer: images are staged in chunks, then all cut into batches at once.

An image whose batch has no row in `batches` is staged: listed, but not yet available to workers. So
a producer that is killed half-way leaves nothing that a worker could take for a complete run, and
the next `enqueue` goes on from there.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, exists, func, insert, select, text, update
from sqlalchemy.orm import Session

from base.listed_image import ListedImage
from db.clock import Now
from db.connection.bulk import ImageRow, driver_errors, insert_images
from db.errors import NoSuchRunError
from db.queries.leases import is_free, is_unfinished
from db.tables import Batch, Change, Image, Run

# The paths are sent as one value: a statement with 10,000 parameters takes longer to parse than to
# run. Both statements look up every path in the unique index. Without a fixed join order,
# PostgreSQL would read the whole table for each chunk while the table is new and its size unknown.
_COLUMNS = (
    "images.id, batch, label, gone_at IS NOT NULL AS is_gone, CAST(attributes AS text) AS written"
)
_STORED = {
    "sqlite": text(
        f"SELECT given.value AS path, {_COLUMNS} FROM json_each(:paths) AS given"  # noqa: S608
        " CROSS JOIN images ON images.run_id = :run_id AND images.path = given.value"
    ),
    "postgresql": text(
        f"SELECT given.path, found.* FROM json_array_elements_text(CAST(:paths AS json))"  # noqa: S608
        f" AS given (path) CROSS JOIN LATERAL (SELECT {_COLUMNS} FROM images"
        " WHERE images.run_id = :run_id AND images.path = given.path LIMIT 1) AS found"
    ),
}


class StoredImage(NamedTuple):
    """An image as the run holds it; `is_gone` if its source no longer listed it."""

    id: int
    batch: int
    label: int | None
    is_gone: bool
    attributes: dict[str, str] | None


class StoredColumns(NamedTuple):
    """Images as the run holds them, column by column, in the order of the paths asked for."""

    paths: Sequence[str]
    ids: Sequence[int]
    batches: Sequence[int]
    labels: Sequence[int | None]
    are_gone: Sequence[bool]
    attributes: Sequence[dict[str, str] | None]

    def by_path(self) -> dict[str, StoredImage]:
        """The same images one by one."""
        return dict(zip(self.paths, map(StoredImage, *self[1:]), strict=True))


def lock_run(session: Session, run_id: int) -> Run:
    """The run, locked against other producers until the transaction ends.

    Raises:
        NoSuchRunError: another producer dropped it, because its source was bad.
    """
    run = session.get(Run, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NoSuchRunError(f"run {run_id} is gone: another producer of it failed; start again")
    return run


def stored_images(session: Session, run_id: int, paths: Sequence[str]) -> StoredColumns:
    """Those of `paths` that the run already holds."""
    connection = session.connection()
    statement = _STORED[connection.dialect.name]
    values = {"run_id": run_id, "paths": json.dumps(paths, ensure_ascii=False)}
    found: Any = connection.execute(statement, values)
    with driver_errors(connection, statement.text):
        rows = found.cursor.fetchall()  # SQLAlchemy's own rows took most of the time
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    # Parsed in one go: a call for each row would take several times as long.
    attributes = json.loads(f"[{','.join(text or 'null' for text in columns.pop())}]")
    return StoredColumns._make([*columns, tuple(attributes)])


def highest_batch(session: Session, run_id: int) -> int:
    """The highest number of a batch that the run has had, cut or staged; 0 without any."""
    staged = select(func.max(Image.batch)).where(Image.run_id == run_id)
    cut = select(func.max(Batch.number)).where(Batch.run_id == run_id)
    return max(session.scalar(staged) or 0, session.scalar(cut) or 0)


def stage_images(
    session: Session, run: Run, images: Sequence[ListedImage]
) -> tuple[int, int] | None:
    """Insert new images, assigned to batches of the run's size; returns first and last batch.

    The caller holds the run's lock.
    """
    if not images:
        return None
    run_id, batch_size = run.id, run.batch_size  # the ORM takes its time for each
    first = highest_batch(session, run_id) + 1
    rows = (
        ImageRow(
            run_id,
            first + index // batch_size,
            image.path,
            image.label,
            None if image.attributes is None else json.dumps(image.attributes),
        )
        for index, image in enumerate(images)
    )
    insert_images(session, rows)
    return first, first + (len(images) - 1) // batch_size


def unstage_images(session: Session, run_id: int, first: int, last: int) -> None:
    """Remove staged images of these batch numbers; images already cut into batches stay."""
    session.execute(
        delete(Image).where(
            Image.run_id == run_id, Image.batch.between(first, last), ~_is_cut(run_id)
        )
    )


def drop_run_if_empty(session: Session, run_id: int) -> None:
    """Delete a run that lists nothing."""
    lists_something = exists().where(Image.run_id == run_id)
    session.execute(delete(Change).where(Change.run_id == run_id, ~lists_something))
    session.execute(delete(Run).where(Run.id == run_id, ~lists_something))


def cut_batches(session: Session, run_id: int) -> int:
    """Make all staged images available to workers, by inserting the rows of their batches.

    Returns how many images it were.
    """
    staged = select(Image.run_id, Image.batch).where(Image.run_id == run_id, ~_is_cut(run_id))
    cut = set(
        session.scalars(
            insert(Batch)
            .from_select(["run_id", "number"], staged.distinct())
            .returning(Batch.number)
        )
    )
    return _images_in(session, run_id, cut) if cut else 0


def claim_unleased(session: Session, run_id: int) -> list[int]:
    """Numbers of the unfinished batches that no worker holds, marked as published now.

    They are marked before the messages are sent: if sending fails, a sweep does it a little later.
    """
    claimed = session.scalars(
        update(Batch)
        .where(Batch.run_id == run_id, is_unfinished(named=True), is_free())
        .values(published_at=Now())
        .returning(Batch.number)
    )
    return sorted(claimed)


def _images_in(session: Session, run_id: int, batches: Collection[int]) -> int:
    sizes = session.execute(
        select(Image.batch, func.count())
        .where(Image.run_id == run_id, Image.batch.between(min(batches), max(batches)))
        .group_by(Image.batch)
    )
    return sum(size for batch, size in sizes if batch in batches)


def _is_cut(run_id: int) -> Any:  # noqa: ANN401 - an SQL expression
    return exists().where(Batch.run_id == run_id, Batch.number == Image.batch)
