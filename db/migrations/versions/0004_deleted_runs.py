"""Numbers of deleted runs, which SQLite would give again: a worker may still remember them."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "deleted_runs",
        sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("deleted_at", sa.Double, nullable=False, server_default=Now()),
    )


def downgrade() -> None:
    op.drop_table("deleted_runs")
