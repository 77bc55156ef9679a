"""The ledger: checkpoints, runs, batches, images, predictions."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now
from db.tables import ImageId, Json

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("card", Json, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=Now()),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, unique=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoints.id"), nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=Now()),
        sa.Index("runs_by_source", "source", "checkpoint_id"),
    )
    op.create_table(
        "batches",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("worker", sa.Text),
        sa.Column("leased_until", sa.Double),
        sa.Column("published_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("suspect_id", ImageId),
        sa.Column("suspect_starts", sa.Integer, nullable=False, server_default="0"),
        sa.Index("batches_by_finish", "finished_at", "leased_until"),
    )
    op.create_table(
        "images",
        sa.Column("id", ImageId, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("label", sa.Integer),
        sa.Column("attributes", Json),
        sa.UniqueConstraint("run_id", "path"),
        sa.CheckConstraint("label IN (0, 1)", name="label_is_0_or_1"),
        sa.Index("images_by_batch", "run_id", "batch"),
    )
    op.create_table(
        "predictions",
        sa.Column(
            "image_id", ImageId, sa.ForeignKey("images.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("score", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("image_digest", sa.Text),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("scored_at", sa.Double, nullable=False, server_default=Now()),
        sa.CheckConstraint(
            "(score IS NULL) <> (error IS NULL)", name="exactly_one_of_score_and_error"
        ),
        sa.CheckConstraint("score >= 0 AND score <= 1", name="score_between_0_and_1"),
    )


def downgrade() -> None:
    for table in ("predictions", "images", "batches", "runs", "checkpoints"):
        op.drop_table(table)
