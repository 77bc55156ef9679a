"""The ledger's tables. Times are seconds since 1970-01-01 UTC by the database's clock."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    event,
    false,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column

from db.clock import Now

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# SQLite numbers rows in 64 bits itself, but only if the type is spelled INTEGER.
ImageId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """All tables of the ledger."""


class Checkpoint(Base):
    """A saved model file, known by the SHA-256 of its bytes."""

    __tablename__ = "checkpoints"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Text, unique=True)
    path: Mapped[str] = mapped_column(Text)
    card: Mapped[dict[str, Any]] = mapped_column(Json)
    # Scores computed elsewhere: `path` is their CSV file, and no worker can load it.
    imported: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Run(Base):
    """One dataset scored with one checkpoint."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_source", "source", "checkpoint_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(Text, unique=True)
    source: Mapped[str] = mapped_column(Text)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id"))
    precision: Mapped[str] = mapped_column(Text)
    batch_size: Mapped[int]
    # Runs enqueued together share this: their batches are leased, and decoded, as one.
    group_id: Mapped[int | None] = mapped_column("together_id")
    keep_features: Mapped[bool] = mapped_column(server_default=false())
    # How many flips and quarter turns of each image its score is the mean of.
    views: Mapped[int] = mapped_column(server_default="1")
    # For a run of other runs' scores: how they were combined, and what they were.
    combined: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Batch(Base):
    """The images of one message, and the worker that works on them."""

    __tablename__ = "batches"
    __table_args__ = (Index("batches_by_finish", "finished_at", "leased_until"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    attempts: Mapped[int] = mapped_column(server_default="0")
    worker: Mapped[str | None] = mapped_column(Text)
    leased_until: Mapped[float | None] = mapped_column(Double)
    published_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    # From the second attempt on images go one by one: the image started last, and how often it was.
    suspect_id: Mapped[int | None] = mapped_column(ImageId)
    suspect_starts: Mapped[int] = mapped_column(server_default="0")
    # The times of the last attempt; runs that were scored together share the first three.
    read_seconds: Mapped[float | None] = mapped_column(Double)
    decode_seconds: Mapped[float | None] = mapped_column(Double)
    compute_seconds: Mapped[float | None] = mapped_column(Double)
    # Without the end of the commit, which is not over when this is stored.
    write_seconds: Mapped[float | None] = mapped_column(Double)


class Image(Base):
    """One listed image of a run. Its batch has a row in `batches` once listing is complete."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("run_id", "path"),
        CheckConstraint("label IN (0, 1)", name="label_is_0_or_1"),
        Index("images_by_batch", "run_id", "batch"),
    )

    id: Mapped[int] = mapped_column(ImageId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    path: Mapped[str] = mapped_column(Text)
    batch: Mapped[int]
    label: Mapped[int | None]
    attributes: Mapped[dict[str, str] | None] = mapped_column(Json)
    # When an enqueueing of the source found first that it is no longer there.
    gone_at: Mapped[float | None] = mapped_column(Double)


class Prediction(Base):
    """The stored outcome of one image in one run: a score, or an error."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint(
            "(score IS NULL) <> (error IS NULL)", name="exactly_one_of_score_and_error"
        ),
        CheckConstraint("score >= 0 AND score <= 1", name="score_between_0_and_1"),
    )

    image_id: Mapped[int] = mapped_column(
        ImageId, ForeignKey("images.id"), primary_key=True, autoincrement=False
    )
    score: Mapped[float | None] = mapped_column(Double)
    error: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    image_digest: Mapped[str | None] = mapped_column(Text)
    # EXIF's, 1 to 8, of which 1 is upright; not known of scores of an earlier release.
    orientation: Mapped[int | None] = mapped_column(SmallInteger)
    # In the order of the card's `classes`; in this table, so that they go where the score goes.
    probabilities: Mapped[list[float] | None] = mapped_column(JSON(none_as_null=True))
    worker: Mapped[str] = mapped_column(Text)
    scored_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Change(Base):
    """What happened to the images of a run, when, and to how many: its history."""

    __tablename__ = "changes"
    __table_args__ = (Index("changes_by_run", "run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    at: Mapped[float] = mapped_column(Double, server_default=Now())
    what: Mapped[str] = mapped_column(Text)
    images: Mapped[int]


class ChosenThreshold(Base):
    """A threshold chosen on the scores of one run, for other runs of its checkpoint."""

    __tablename__ = "thresholds"
    __table_args__ = (
        CheckConstraint("value >= 0 AND value <= 1", name="threshold_between_0_and_1"),
        Index("thresholds_by_checkpoint", "checkpoint_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    checkpoint_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))
    kind: Mapped[str] = mapped_column(Text)  # the criterion: sensitivity, specificity, youden, cost
    value: Mapped[float] = mapped_column(Double)
    how: Mapped[str] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Worker(Base):
    """A living worker, and when it was last seen."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Refusal(Base):
    """A checkpoint and precision that a worker refuses, and why; `stops` holds for all workers."""

    __tablename__ = "refusals"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    precision: Mapped[str] = mapped_column(Text, primary_key=True)
    worker: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    stops: Mapped[bool] = mapped_column(server_default=false())
    refused_at: Mapped[float] = mapped_column(Double, server_default=Now())


class Speed(Base):
    """How fast a host computes a checkpoint: images per second in a precision and in float32.

    Both rates are NULL from when the timing begins until it ends.
    """

    __tablename__ = "speeds"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    precision: Mapped[str] = mapped_column(Text, primary_key=True)
    host: Mapped[str] = mapped_column(Text, primary_key=True)
    device: Mapped[str] = mapped_column(Text)
    rate: Mapped[float | None] = mapped_column(Double)
    float32_rate: Mapped[float | None] = mapped_column(Double)
    timed_at: Mapped[float] = mapped_column(Double, server_default=Now())


class DeletedRun(Base):
    """A deleted run. Its id is not used again: a worker may still remember it."""

    __tablename__ = "deleted_runs"

    run_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deleted_at: Mapped[float] = mapped_column(Double, server_default=Now())


@event.listens_for(Run, "before_insert")
def _number_run(_mapper: Mapper[Run], connection: Connection, run: Run) -> None:
    """SQLite reuses the highest id once its run is deleted; PostgreSQL never does."""
    if connection.dialect.name == "sqlite":
        deleted = select(func.max(DeletedRun.run_id)).scalar_subquery()
        highest = select(func.max(func.coalesce(func.max(Run.id), 0), func.coalesce(deleted, 0)))
        run.id = (connection.scalar(highest) or 0) + 1
