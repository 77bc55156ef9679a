"""How fast hosts compute a checkpoint in a run's precision and in float32."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "speeds",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("precision", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("rate", sa.Double),
        sa.Column("float32_rate", sa.Double),
        sa.Column("timed_at", sa.Double, nullable=False, server_default=Now()),
    )


def downgrade() -> None:
    op.drop_table("speeds")
