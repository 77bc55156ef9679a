"""The probabilities of all classes, next to the score of a checkpoint that has several.

JSON text and not JSONB, which would take half as much again and keep other digits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("probabilities", sa.JSON))


def downgrade() -> None:
    op.drop_column("predictions", "probabilities")
