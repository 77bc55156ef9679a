"""Runs that are scored together, kept features, and where the time of a batch went."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SECONDS = ("read_seconds", "decode_seconds", "compute_seconds", "write_seconds")


def upgrade() -> None:
    op.add_column("runs", sa.Column("together_id", sa.Integer))
    op.add_column(
        "runs", sa.Column("keep_features", sa.Boolean, nullable=False, server_default=sa.false())
    )
    for column in _SECONDS:
        op.add_column("batches", sa.Column(column, sa.Double))


def downgrade() -> None:
    for column in _SECONDS:
        op.drop_column("batches", column)
    op.drop_column("runs", "keep_features")
    op.drop_column("runs", "together_id")
