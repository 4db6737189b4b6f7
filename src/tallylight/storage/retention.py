"""Deletes what is older than a policy keeps, in batches that block other writers only briefly."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.storage import rollups
from tallylight.storage.rollups import Grain
from tallylight.storage.tables import evidence_table
from tallylight.storage.tables import rollups_table as rollup_table
from tallylight.storage.types import to_microseconds

_BATCH_SIZE = 2000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of row is kept; all other rows are kept forever.

    Args:
        evidence: Evidence, counted from its recording.
        five_minutes: Rollups of five minutes.
        hours: Rollups of an hour.
    """

    evidence: timedelta = timedelta(days=30)
    five_minutes: timedelta = timedelta(days=90)
    hours: timedelta = timedelta(days=730)


async def delete_old_evidence(
    connection: AsyncConnection, retention: Retention, now: datetime, batch_size: int = _BATCH_SIZE
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
    connection: AsyncConnection, retention: Retention, now: datetime
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
