"""Workers that live, each with when it was seen last: the ledger alone knows them all."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("seen_at", sa.Double, nullable=False, server_default=Now()),
    )


def downgrade() -> None:
    op.drop_table("workers")
