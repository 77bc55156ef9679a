"""Which images EXIF says to turn."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("predictions", sa.Column("orientation", sa.SmallInteger))


def downgrade() -> None:
    op.drop_column("predictions", "orientation")
