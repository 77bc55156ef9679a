"""Runs of several views of each image, and runs that combine the scores of others."""

import sqlalchemy as sa
from alembic import op

from db.tables import Json

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("runs", sa.Column("views", sa.Integer, nullable=False, server_default="1"))
    op.add_column("runs", sa.Column("combined", Json))


def downgrade() -> None:
    op.drop_column("runs", "combined")
    op.drop_column("runs", "views")
