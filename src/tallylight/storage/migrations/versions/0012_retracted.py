"""Transitions that were taken back, because our own network was their cause."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the moment of taking back."""
    op.add_column("transitions", sa.Column("retracted_at_us", sa.BigInteger))
