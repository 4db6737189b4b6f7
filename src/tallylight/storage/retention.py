"""Deletes what is older than a policy keeps, in batches that block other writers only briefly."""

from datetime import datetime, timedelta

from pydantic import Field
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.storage import rollups
from tallylight.storage.rollups import Grain
from tallylight.storage.tables import evidence_table
from tallylight.storage.tables import rollups_table as rollup_table
from tallylight.storage.types import to_microseconds

_BATCH_SIZE = 2000


class RetentionOptions(Section):
    """Retention; transitions, incidents, the ledger and daily rollups are kept for ever."""

    evidence: Duration = Field(timedelta(days=30), description="Individual pieces of evidence.")
    five_minutes: Duration = Field(
        timedelta(days=90), description="Evidence aggregated over five minutes."
    )
    hours: Duration = Field(timedelta(days=730), description="Evidence aggregated over one hour.")


async def delete_old_evidence(
    connection: AsyncConnection,
    retention: RetentionOptions,
    now: datetime,
    batch_size: int = _BATCH_SIZE,
) -> bool:
    """Delete a batch of evidence that is too old and in the rollups; return whether any was."""
    before = min(
        to_microseconds(now - retention.evidence), await rollups.rollup_cursor(connection) + 1
    )
    oldest = (
        select(evidence_table.c.id)
        .where(evidence_table.c.id < before)
        .order_by(evidence_table.c.id)
    )
    ids = oldest.limit(batch_size).subquery()
    last = await connection.scalar(select(func.max(ids.c.id)))
    if last is None:
        return False
    await connection.execute(delete(evidence_table).where(evidence_table.c.id <= last))
    return True


async def delete_old_rollups(
    connection: AsyncConnection, retention: RetentionOptions, now: datetime
) -> bool:
    """Delete the oldest bucket of each grain if it is too old; return whether any was."""
    kept = {Grain.FIVE_MINUTES: retention.five_minutes, Grain.HOUR: retention.hours}
    is_any = False
    for grain, length in kept.items():
        start = await rollups.oldest_bucket(connection, grain)
        if start is not None and start + grain.width <= now - length:
            await connection.execute(
                delete(rollup_table).where(
                    rollup_table.c.grain == grain.value, rollup_table.c.bucket_us == start
                )
            )
            is_any = True
    return is_any
