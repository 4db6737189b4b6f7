"""What fetches the content of a completed video later: its addresses, and which videos lack it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("attempts", sa.Column("results", sa.Text, nullable=False, server_default="[]"))
    condition = sa.text("status = 'completed' AND asset = ''")
    op.create_index(
        "videos_without_content",
        "videos",
        ["ended_at_us"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
