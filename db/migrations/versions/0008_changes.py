"""The history of a run, and which of its images are gone from its source."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("at", sa.Double, nullable=False, server_default=Now()),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("images", sa.Integer, nullable=False),
        sa.Index("changes_by_run", "run_id"),
    )
    op.add_column("images", sa.Column("gone_at", sa.Double))


def downgrade() -> None:
    op.drop_column("images", "gone_at")
    op.drop_table("changes")
