"""What an upstream needs beside the id of a job, in place of its other id."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Move the other ids into the new column."""
    op.add_column("attempts", sa.Column("job_extra", sa.Text, nullable=False, server_default="{}"))
    attempts = sa.table("attempts", *map(sa.column, ("id", "other_job", "job_extra")))
    known = sa.select(attempts.c.id, attempts.c.other_job).where(attempts.c.other_job != "")
    for row in op.get_bind().execute(known).all():
        extra = json.dumps({"other_id": row.other_job})
        change = sa.update(attempts).where(attempts.c.id == row.id).values(job_extra=extra)
        op.get_bind().execute(change)
    op.drop_column("attempts", "other_job")
