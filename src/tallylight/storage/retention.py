"""Deletes what is older than a policy keeps, in batches that block other writers only briefly."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, delete, exists, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.model.ledger import EntryState
from tallylight.model.video import VideoKind
from tallylight.storage import rollups
from tallylight.storage.engine import LockId
from tallylight.storage.options import LEAST_LEDGER, RetentionOptions
from tallylight.storage.rollups import Grain
from tallylight.storage.spending import delete_old_minutes
from tallylight.storage.tables import (
    attempts_table,
    evidence_table,
    idempotency_table,
    ledger_table,
    outbox_table,
    videos_table,
)
from tallylight.storage.tables import rollups_table as rollup_table
from tallylight.storage.types import to_microseconds
from tallylight.storage.videos import release_keys

_BATCH_SIZE = 2000
_SMALL_BATCH_SIZE = 200  # of ids in one statement


_MESSAGES_KEPT = timedelta(days=30)  # delivered webhooks stay visible to the operator


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


async def delete_old_videos(
    connection: AsyncConnection, retention: RetentionOptions, now: datetime
) -> bool:
    """Delete a batch of old videos with their attempts and webhooks; return whether any was.

    A video stays while anything of it is open, reserved, stored or to be delivered. Its money
    stays in the ledger, and its idempotency key until a day after its end.
    """
    if retention.videos is None:
        return False
    video, attempt = videos_table.c, attempts_table.c
    is_unsettled = exists(attempt.id).where(
        attempt.video == video.id,
        or_(
            attempt.ended_at_us.is_(None),
            exists(ledger_table.c.id).where(
                ledger_table.c.id == attempt.entry,
                ledger_table.c.state == EntryState.RESERVED.value,
            ),
        ),
    )
    is_undelivered = exists(outbox_table.c.id).where(
        outbox_table.c.video == video.id, outbox_table.c.due_at_us.is_not(None)
    )
    old = (
        select(video.id)
        .where(
            video.created_at_us < now - retention.videos,
            video.ended_at_us.is_not(None),
            video.asset == literal_column("''"),
            # The last probe of a service says when the next one is due.
            or_(
                video.kind != VideoKind.PROBE.value,
                video.created_at_us < now - max(retention.videos, LEAST_LEDGER),
            ),
            ~is_unsettled,
            ~is_undelivered,
        )
        .order_by(video.created_at_us, video.id)
        .limit(_SMALL_BATCH_SIZE)
        .with_for_update(skip_locked=True, of=videos_table)
    )
    ids = list(await connection.scalars(old))
    if not ids:
        return False
    await release_keys(connection, ids)
    await connection.execute(delete(outbox_table).where(outbox_table.c.video.in_(ids)))
    await connection.execute(delete(attempts_table).where(attempt.video.in_(ids)))
    await connection.execute(delete(videos_table).where(video.id.in_(ids)))
    return True


async def delete_old_entries(
    connection: AsyncConnection, retention: RetentionOptions, now: datetime
) -> bool:
    """Delete a batch of old entries of the ledger; return whether any was.

    The running sums of their hours stay.
    """
    if retention.ledger is None:
        return False
    entry = ledger_table.c
    page_query = (
        select(entry.id, entry.at_us)
        .where(entry.at_us < now - retention.ledger, entry.state != EntryState.RESERVED.value)
        .order_by(entry.at_us, entry.id)
        .limit(_SMALL_BATCH_SIZE)
    )
    page = (await connection.execute(page_query)).all()
    while page:
        ids = [row.id for row in page]
        named = select(attempts_table.c.entry).where(attempts_table.c.entry.in_(ids))
        kept = set(await connection.scalars(named))
        if len(kept) < len(page):
            free = [id_ for id_ in ids if id_ not in kept]
            await connection.execute(delete(ledger_table).where(entry.id.in_(free)))
            return True
        last = page[-1]
        is_later = (entry.at_us == last.at_us) & (entry.id > last.id) | (entry.at_us > last.at_us)
        page = (await connection.execute(page_query.where(is_later))).all()
    return False


async def delete_old_keys(
    connection: AsyncConnection, _retention: RetentionOptions, now: datetime
) -> bool:
    """Delete a batch of idempotency keys whose video is gone for long; return whether any was."""
    key = idempotency_table.c
    old = select(key.video).where(key.until_us < now).limit(_BATCH_SIZE)
    change = delete(idempotency_table).where(
        key.video.in_(old.scalar_subquery()), key.until_us < now
    )
    return bool((await connection.execute(change)).rowcount)


async def delete_old_sums(
    connection: AsyncConnection, _retention: RetentionOptions, now: datetime
) -> bool:
    """Delete a batch of sums by minute that no window reads; return whether any was."""
    return await delete_old_minutes(connection, now)


async def delete_old_messages(
    connection: AsyncConnection, _retention: RetentionOptions, now: datetime
) -> bool:
    """Delete a batch of old messages that were delivered or given up; return whether any was."""
    table = outbox_table
    is_old = and_(table.c.due_at_us.is_(None), table.c.created_at_us < now - _MESSAGES_KEPT)
    ids = list(await connection.scalars(select(table.c.id).where(is_old).limit(_SMALL_BATCH_SIZE)))
    if ids:
        await connection.execute(delete(table).where(table.c.id.in_(ids)))
    return bool(ids)


class RetentionStep(NamedTuple):
    """One kind of rows to delete.

    Args:
        lock: The lock of their writers.
        delete_batch: Deletes some and returns whether it did.
    """

    lock: LockId
    delete_batch: Callable[[AsyncConnection, RetentionOptions, datetime], Awaitable[bool]]


RETENTION_STEPS = (
    RetentionStep(LockId.ROLLUP, delete_old_evidence),
    RetentionStep(LockId.ROLLUP, delete_old_rollups),
    RetentionStep(LockId.VIDEO, delete_old_videos),
    RetentionStep(LockId.LEDGER, delete_old_entries),
    RetentionStep(LockId.VIDEO, delete_old_keys),
    RetentionStep(LockId.LEDGER, delete_old_sums),
    RetentionStep(LockId.WEBHOOK, delete_old_messages),
)
"""In this order: an entry of the ledger goes after its video."""
