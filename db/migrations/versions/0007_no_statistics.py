"""PostgreSQL keeps no statistics of the columns that tell one run from another.

They are always older than the newest run. A run that they do not know looks empty, so that any
index seems as good as the right one: all of the run was read again for each of its images. Without
them PostgreSQL takes every run for the same part of the table, whose size it does know.

Takes milliseconds whatever the size of the tables: nothing is rewritten and no index is built anew.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_COLUMNS = {
    ("images", "run_id"): "integer",
    ("batches", "run_id"): "integer",
    ("batches", "published_at"): "double precision",
    ("batches", "leased_until"): "double precision",
    ("batches", "finished_at"): "double precision",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for (table, column), kind in _COLUMNS.items():
            op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS 0")
            # The type that it has: what is known of the column is forgotten, and no more is done.
            op.execute(f"ALTER TABLE {table} ALTER {column} TYPE {kind}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column in _COLUMNS:
            op.execute(f"ALTER TABLE {table} ALTER {column} SET STATISTICS -1")
