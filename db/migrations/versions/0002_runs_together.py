"""Runs that are scored together, kept features, and where the time of a batch went.

On PostgreSQL images no longer refer to their run by a foreign key: checking it row by row took a
third of the time of listing. The producer holds the run's row while it inserts its images.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_IMAGES_TO_RUNS = "images_run_id_fkey"
_SECONDS = ("read_seconds", "decode_seconds", "compute_seconds", "write_seconds")


def upgrade() -> None:
    op.add_column("runs", sa.Column("together_id", sa.Integer))
    op.add_column(
        "runs", sa.Column("keep_features", sa.Boolean, nullable=False, server_default=sa.false())
    )
    for column in _SECONDS:
        op.add_column("batches", sa.Column(column, sa.Double))
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(_IMAGES_TO_RUNS, "images")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_foreign_key(_IMAGES_TO_RUNS, "images", "runs", ["run_id"], ["id"])
    for column in _SECONDS:
        op.drop_column("batches", column)
    op.drop_column("runs", "keep_features")
    op.drop_column("runs", "together_id")
