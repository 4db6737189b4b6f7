"""An index of the attempts that were in doubt: what came of them is learned."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the index."""
    condition = sa.text("doubt_rule != ''")
    op.create_index(
        "attempts_in_doubt",
        "attempts",
        ["intended_at_us"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
