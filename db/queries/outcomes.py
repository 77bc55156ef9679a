"""Writes of the worker: predictions, and the end of a batch.

This is the hot path of a worker, so it uses Core statements that are built once; the ORM's would
cost several times as much.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import TextClause, bindparam, exists, func, select, text, update
from sqlalchemy.orm import Session

from db.clock import Now
from db.queries.leases import BatchKey, is_this, lists
from db.tables import Batch, Image, Prediction, Run

_INSERT = (
    "INSERT INTO predictions (image_id, score, error, detail, image_digest, orientation,"
    " probabilities, worker)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
# PostgreSQL's types of the fields of `Outcome`.
_TYPES = {
    "image_id": "bigint",
    "score": "float8",
    "error": "text",
    "detail": "text",
    "image_digest": "text",
    "orientation": "smallint",
    "probabilities": "json",
}
_batches: Any = Batch.__table__
_images: Any = Image.__table__
_predictions: Any = Prediction.__table__
_NOTE_START = (
    update(_batches)
    .where(is_this(_batches))
    .values(suspect_id=bindparam("image_id"), suspect_starts=bindparam("starts"))
)
_LOCK = (
    select(_batches.c.run_id)
    .where(
        _batches.c.run_id.in_(bindparam("runs", expanding=True)),
        _batches.c.number == bindparam("this_number"),
    )
    .order_by(_batches.c.run_id)
    .with_for_update()
)
_FINISH = (
    update(_batches)
    .where(
        is_this(_batches),
        ~exists().where(lists(_images), ~exists().where(_predictions.c.image_id == _images.c.id)),
    )
    .values(
        finished_at=func.coalesce(_batches.c.finished_at, Now()),
        leased_until=None,
        read_seconds=bindparam("read"),
        decode_seconds=bindparam("decode"),
        compute_seconds=bindparam("compute"),
        write_seconds=bindparam("write"),
    )
    .returning(_batches.c.finished_at)
)


class Outcome(NamedTuple):
    """The outcome of one image: exactly one of score and error.

    `orientation` is that of EXIF, 1 to 8, None where it was not looked for; `probabilities` are a
    JSON array, next to a score of a checkpoint with classes.
    """

    image_id: int
    score: float | None
    error: str | None
    detail: str | None
    image_digest: str | None
    orientation: int | None = None
    probabilities: str | None = None


class Seconds(NamedTuple):
    """The seconds of a batch by stage."""

    read: float = 0.0
    decode: float = 0.0
    compute: float = 0.0
    write: float = 0.0

    def plus(self, other: "Seconds") -> "Seconds":
        """The sum, stage by stage."""
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))


_UNTIMED = Seconds()


def known_digests(session: Session, source: str, paths: Sequence[str]) -> dict[str, str]:
    """Path to the SHA-256 of the file last scored there, in any run of this source."""
    rows = session.execute(
        select(Image.path, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .join(Run, Run.id == Image.run_id)
        .where(
            Run.source == source,
            Image.path.in_(paths),
            Prediction.score.is_not(None),
            Prediction.image_digest.is_not(None),
        )
        .order_by(Prediction.scored_at)
    )
    return {path: digest for path, digest in rows if digest is not None}


def note_start(session: Session, batch: BatchKey, image_id: int, starts: int) -> None:
    """Note which image is started next and how often it was, before it can do any harm."""
    session.connection().execute(
        _NOTE_START, {**batch.bound(), "image_id": image_id, "starts": starts}
    )


def store_outcomes(session: Session, worker: str, outcomes: Sequence[Outcome]) -> None:
    """Insert predictions; an image that already has one keeps it."""
    if not outcomes:
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        columns = dict(zip(Outcome._fields, map(list, zip(*outcomes, strict=True)), strict=True))
        # Imported scores leave most of them empty, and sending empty lists takes time, too.
        filled = {
            name: values for name, values in columns.items() if values.count(None) < len(values)
        }
        connection.execute(_insert_lists(tuple(filled)), {**filled, "worker": worker})
    else:
        connection.exec_driver_sql(_INSERT, [(*outcome, worker) for outcome in outcomes])


@cache
def _insert_lists(columns: tuple[str, ...]) -> TextClause:
    """One statement with a list for each column; one for each row would be sent one by one."""
    lists_of = ", ".join(f"CAST(:{name} AS {_TYPES[name]}[])" for name in columns)
    return text(
        f"INSERT INTO predictions ({', '.join(columns)}, worker)"  # noqa: S608 - our own names
        f" SELECT *, :worker FROM unnest({lists_of}) ON CONFLICT DO NOTHING"
    )


def lock_batches(session: Session, batches: Sequence[BatchKey]) -> bool:
    """Lock the rows of batches of one number, in an order that cannot deadlock.

    A single batch is locked, too: otherwise a late worker could hold its predictions and wait for
    its row, while another, which scores it together with a second batch, holds the row and waits
    for the predictions.

    Returns whether all of them exist. If a run was deleted meanwhile they do not, and on SQLite the
    ids of its images may belong to other images by now: nothing may be stored for them.
    """
    values = {"runs": [batch.run_id for batch in batches], "this_number": batches[0].number}
    return len(session.connection().execute(_LOCK, values).all()) == len(batches)


def finish_batch(session: Session, batch: BatchKey, seconds: Seconds = _UNTIMED) -> float | None:
    """Mark the batch finished, if and only if each of its images has a prediction.

    Returns the time by the ledger's clock; None if an image has no prediction.
    """
    values = {**batch.bound(), **seconds._asdict()}
    at: float | None = session.connection().execute(_FINISH, values).scalar()
    return at
