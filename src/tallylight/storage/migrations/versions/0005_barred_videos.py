"""Videos for which nothing is sent, because the database was copied, restored or promoted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; no video is barred by an upgrade."""
    op.add_column(
        "videos", sa.Column("is_barred", sa.Boolean, nullable=False, server_default=sa.false())
    )
