"""Writes of the producer: images are staged in chunks, then all cut into batches at once.

An image whose batch has no row in `batches` is staged: listed, but not yet available to workers. So
a producer that is killed half-way leaves nothing that a worker could take for a complete run, and
the next `enqueue` goes on from there.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, text, update
from sqlalchemy.orm import Session

from base.listed_image import ListedImage
from db.clock import Now
from db.connection.bulk import ImageRow, insert_images
from db.errors import NoSuchRunError
from db.queries.leases import is_free, is_unfinished
from db.tables import Batch, Image, Run

# The paths are sent as one value: a statement with 10,000 parameters takes longer to parse than to
# run. Both statements look up every path in the unique index. Without a fixed join order,
# PostgreSQL would read the whole table for each chunk while the table is new and its size unknown.
_STORED_LABELS = {
    "sqlite": text(
        "SELECT given.value AS path, images.label FROM json_each(:paths) AS given"
        " CROSS JOIN images ON images.run_id = :run_id AND images.path = given.value"
    ),
    "postgresql": text(
        "SELECT given.path, found.label"
        " FROM json_array_elements_text(CAST(:paths AS json)) AS given (path)"
        " CROSS JOIN LATERAL (SELECT images.label FROM images"
        " WHERE images.run_id = :run_id AND images.path = given.path LIMIT 1) AS found"
    ),
}


def lock_run(session: Session, run_id: int) -> Run:
    """The run, locked against other producers until the transaction ends.

    Raises:
        NoSuchRunError: another producer dropped it, because its source was bad.
    """
    run = session.get(Run, run_id, with_for_update=True, populate_existing=True)
    if run is None:
        raise NoSuchRunError(f"run {run_id} is gone: another producer of it failed; start again")
    return run


def stored_labels(session: Session, run_id: int, paths: Sequence[str]) -> dict[str, int | None]:
    """Path to label for those of `paths` that the run already holds."""
    statement = _STORED_LABELS[session.get_bind().dialect.name]
    values = {"run_id": run_id, "paths": json.dumps(paths, ensure_ascii=False)}
    return {row.path: row.label for row in session.execute(statement, values)}


def batch_of(session: Session, run_id: int, path: str) -> int:
    """The batch number of this path, which the run must contain."""
    return session.scalars(
        select(Image.batch).where(Image.run_id == run_id, Image.path == path)
    ).one()


def stage_images(
    session: Session, run: Run, images: Sequence[ListedImage]
) -> tuple[int, int] | None:
    """Insert new images, assigned to batches of the run's size; returns first and last batch.

    The caller holds the run's lock.
    """
    if not images:
        return None
    highest = session.scalar(select(func.max(Image.batch)).where(Image.run_id == run.id)) or 0
    first = highest + 1
    rows = (
        ImageRow(
            run.id,
            first + index // run.batch_size,
            image.path,
            image.label,
            None if image.attributes is None else json.dumps(image.attributes),
        )
        for index, image in enumerate(images)
    )
    insert_images(session, rows)
    return first, first + (len(images) - 1) // run.batch_size


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
    session.execute(delete(Run).where(Run.id == run_id, ~lists_something))


def cut_batches(session: Session, run_id: int) -> None:
    """Make all staged images available to workers, by inserting the rows of their batches."""
    staged = select(Image.run_id, Image.batch).where(Image.run_id == run_id, ~_is_cut(run_id))
    session.execute(insert(Batch).from_select(["run_id", "number"], staged.distinct()))


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


def _is_cut(run_id: int) -> Any:  # noqa: ANN401 - an SQL expression
    return exists().where(Batch.run_id == run_id, Batch.number == Image.batch)
