"""What workers refuse, and why: a run that waits for ever otherwise does not say so."""

import sqlalchemy as sa
from alembic import op

from db.clock import Now

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("precision", sa.Text, primary_key=True),
        sa.Column("worker", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("stops", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("refused_at", sa.Double, nullable=False, server_default=Now()),
    )


def downgrade() -> None:
    op.drop_table("refusals")
