"""The other id that an upstream names for a job."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("attempts", sa.Column("other_job", sa.Text, nullable=False, server_default=""))
