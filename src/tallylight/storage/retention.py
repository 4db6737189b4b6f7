"""How long what is kept, and the forgetting of the rest, in portions that block nobody long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.storage import rollups
from tallylight.storage.rollups import Grain
from tallylight.storage.tables import evidence
from tallylight.storage.tables import rollups as rollup_table
from tallylight.storage.types import microseconds

_PORTION = 2000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each is kept; transitions, incidents, the ledger and days are for ever.

    Args:
        evidence: Each piece as it was noted.
        five_minutes: Rollups of five minutes.
        hours: Rollups of an hour.
    """

    evidence: timedelta = timedelta(days=30)
    five_minutes: timedelta = timedelta(days=90)
    hours: timedelta = timedelta(days=730)


async def forget_evidence(
    connection: AsyncConnection, retention: Retention, now: datetime, portion: int = _PORTION
) -> bool:
    """Delete one portion of evidence that is too old and in the rollups; tell if any was.

    Its age counts from its noting.
    """
    before = min(microseconds(now - retention.evidence), await rollups.folded(connection) + 1)
    oldest = select(evidence.c.id).where(evidence.c.id < before).order_by(evidence.c.id)
    ids = oldest.limit(portion).subquery()
    last = await connection.scalar(select(func.max(ids.c.id)))
    if last is None:
        return False
    await connection.execute(delete(evidence).where(evidence.c.id <= last))
    return True


async def forget_rollups(connection: AsyncConnection, retention: Retention, now: datetime) -> bool:
    """Delete the oldest stretch of each grain if it is too old; tell if any was."""
    kept = {Grain.FIVE_MINUTES: retention.five_minutes, Grain.HOUR: retention.hours}
    is_any = False
    for grain, length in kept.items():
        start = await rollups.oldest(connection, grain)
        if start is not None and start + grain.width <= now - length:
            await connection.execute(
                delete(rollup_table).where(
                    rollup_table.c.grain == grain.value, rollup_table.c.bucket_us == start
                )
            )
            is_any = True
    return is_any
