"""Reads of the report and of `producer status`."""

from collections.abc import Generator, Sequence
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

from db.clock import Now
from db.tables import Batch, Image, Prediction
from db.throughput import KEPT_SECONDS, Finished, images_per_second

# SQLite takes at most 32766 variables in one statement, PostgreSQL 65535.
_DIGESTS_PER_QUERY = 10_000
_ROWS_AT_ONCE = 10_000
# For batches that take milliseconds, the last seconds are enough.
_BATCHES_COUNTED = 2_000
_PARTS = (Batch.read_seconds, Batch.decode_seconds, Batch.compute_seconds, Batch.write_seconds)


class Progress(NamedTuple):
    """The progress of a run, in images; `listed` is the sum of the other three."""

    listed: int
    scored: int
    unreadable: int
    pending: int


class ScoredImage(NamedTuple):
    """An image with its score, and the SHA-256 of the bytes that were scored."""

    path: str
    label: int | None
    score: float
    digest: str | None


def progress(session: Session, run_id: int) -> Progress:
    """Counts of the run's images by outcome."""
    listed, scored, unreadable = session.execute(
        select(func.count(), func.count(Prediction.score), func.count(Prediction.error))
        .select_from(Image)
        .outerjoin(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id)
    ).one()
    return Progress(listed, scored, unreadable, listed - scored - unreadable)


def errors(session: Session, run_id: int) -> dict[str, int]:
    """Error code to number of images, most frequent first."""
    images = func.count().label("number")
    rows = session.execute(
        select(Prediction.error, images)
        .join(Image, Image.id == Prediction.image_id)
        .where(Image.run_id == run_id, Prediction.error.is_not(None))
        .group_by(Prediction.error)
        .order_by(images.desc(), Prediction.error)
    )
    return {code: count for code, count in rows if code is not None}


class Failed(NamedTuple):
    """A run without a single score: images by error code, and some paths of the first code."""

    errors: dict[str, int]
    examples: list[str]


def failed_wholly(session: Session, run_id: int, examples: int = 2) -> Failed | None:
    """The errors of a finished run if none of its images was scored; None for any other run."""
    counts = progress(session, run_id)
    if counts.pending or counts.scored or not counts.unreadable:
        return None
    found = errors(session, run_id)
    paths = session.scalars(
        select(Image.path)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.error == next(iter(found)))
        .order_by(Image.batch, Image.id)
        .limit(examples)
    )
    return Failed(found, list(paths))


def staged(session: Session, run_id: int) -> int:
    """How many images are only staged, because their listing was interrupted."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Image)
            .outerjoin(Batch, (Batch.run_id == Image.run_id) & (Batch.number == Image.batch))
            .where(Image.run_id == run_id, Batch.number.is_(None))
        )
        or 0
    )


def throughput(session: Session, run_id: int) -> float:
    """The run's images per second over its newest batches, as `db.throughput` defines it."""
    took = sum((func.coalesce(part, 0.0) for part in _PARTS), start=literal(0.0))
    newest = (
        select(Batch.number, Batch.finished_at, took.label("took"))
        .where(Batch.run_id == run_id, Batch.finished_at > Now() - KEPT_SECONDS)
        .order_by(Batch.finished_at.desc())
        .limit(_BATCHES_COUNTED)
        .subquery()
    ).c
    # In a retried batch, images that were scored before do not count again. They were inserted a
    # little before the stored beginning of this attempt.
    images = (
        select(func.count())
        .select_from(Image)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(
            Image.run_id == run_id,
            Image.batch == newest.number,
            Prediction.scored_at > newest.finished_at - newest.took - 1,
        )
        .scalar_subquery()  # not a join: only the images of these few batches should be read
    )
    rows = session.execute(select(newest.finished_at, newest.took, images, Now())).all()
    batches = [Finished(finished_at, seconds, count) for finished_at, seconds, count, _ in rows]
    return images_per_second(batches, rows[0][3]) if rows else 0.0


def stream_labelled(session: Session, run_id: int) -> Generator[tuple[str, int], None, None]:
    """Path and label of each labelled image of the run, one by one; close the generator."""
    images: Any = Image.__table__  # not by the ORM, which would double the time
    with session.connection().execute(
        select(images.c.path, images.c.label).where(
            images.c.run_id == run_id, images.c.label.is_not(None)
        ),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    ) as rows:
        yield from rows


def count_digests(session: Session, run_id: int, digests: Sequence[str]) -> int:
    """How many scored images of the run have bytes of one of these SHA-256 digests."""
    starts = range(0, len(digests), _DIGESTS_PER_QUERY)
    chunks = (digests[start : start + _DIGESTS_PER_QUERY] for start in starts)
    return sum(_count_of(session, run_id, chunk) for chunk in chunks)


def count_shared(session: Session, run_id: int, other_id: int) -> int:
    """How many scored images of the run have the bytes of a scored, labelled image of the other."""
    others = (
        select(Prediction.image_digest)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            Image.run_id == other_id,
            Image.label.is_not(None),
            Prediction.score.is_not(None),
            Prediction.image_digest.is_not(None),
        )
    )
    return _count_of(session, run_id, others)


def _count_of(session: Session, run_id: int, digests: Sequence[str] | Select[str | None]) -> int:
    counted = (
        select(func.count())
        .select_from(Prediction)
        .join(Image, Image.id == Prediction.image_id)
        .where(
            Image.run_id == run_id,
            Prediction.score.is_not(None),
            Prediction.image_digest.in_(digests),
        )
    )
    return session.scalar(counted) or 0


def sample_scored(session: Session, run_id: int, count: int, seed: int) -> list[ScoredImage]:
    """At most `count` scored images of the run, drawn at random, the same for the same seed."""
    scored = (
        select(Image.id)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.score.is_not(None))
        .order_by(Image.batch, Image.id)
    )
    image_ids = session.scalars(scored).all()
    drawn = Random(seed).sample(image_ids, min(count, len(image_ids)))  # noqa: S311 - no secret
    rows = session.execute(
        select(Image.id, Image.path, Image.label, Prediction.score, Prediction.image_digest)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.id.in_(drawn))
    )
    found = {
        image_id: ScoredImage(path, label, score, digest)
        for image_id, path, label, score, digest in rows
        if score is not None
    }
    return [found[image_id] for image_id in drawn]
