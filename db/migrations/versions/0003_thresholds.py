"""Thresholds chosen on a run, and checkpoints that are imported scores without a model file."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "checkpoints", sa.Column("imported", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "thresholds",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("checkpoint_id", sa.Integer, sa.ForeignKey("checkpoints.id"), nullable=False),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=Now()),
        sa.CheckConstraint("value >= 0 AND value <= 1", name="threshold_between_0_and_1"),
        sa.Index("thresholds_by_checkpoint", "checkpoint_id"),
    )


def downgrade() -> None:
    op.drop_table("thresholds")
    op.drop_column("checkpoints", "imported")
