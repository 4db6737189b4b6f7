"""The outbox of webhooks: written with the change that they report, claimed for each attempt.

A claim postpones the due time of a row in one statement. If the process dies, another one claims
the row again after that time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, Update, and_, delete, select, update

from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import outbox_table as table

_BATCH_SIZE = 200


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One attempt to deliver a webhook.

    Args:
        id: The id of the webhook, by which receivers recognize a repetition.
        endpoint: The name of its endpoint in the configuration.
        created_at: The moment of the change that it reports.
        attempt_number: The number of this attempt, starting at 1.
    """

    id: str
    endpoint: str
    body: str
    created_at: datetime
    attempt_number: int


class Outbox:
    """Claims webhooks and records what became of them; `group_commit` inserts them.

    A power cut may undo the last changes; the webhooks concerned are then delivered again.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def claim(
        self, endpoint: str, now: datetime, until: datetime, limit: int
    ) -> tuple[WebhookDelivery, ...]:
        """Claim the webhooks due to an endpoint; no other process gets them before `until`."""
        is_due = and_(table.c.endpoint == endpoint, table.c.due_at_us <= now)
        some = select(table.c.id).where(is_due).order_by(table.c.due_at_us).limit(limit)
        # Usually nothing is due, and a read does not wait for writers.
        async with self._connections.read_transaction() as connection:
            if (await connection.execute(some.limit(1))).first() is None:
                return ()
        change = (
            update(table)
            .where(table.c.id.in_(some.scalar_subquery()), is_due)
            .values(due_at_us=until, attempt_number=table.c.attempt_number + 1)
            .returning(*table.columns)
        )
        async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
            found = [_delivery(row) for row in await connection.execute(change)]
        return tuple(sorted(found, key=lambda each: each.created_at))

    async def mark_delivered(self, delivery: WebhookDelivery, at: datetime, response: str) -> None:
        """Record that a webhook was delivered."""
        await self._change(
            update(table)
            .where(table.c.id == delivery.id, table.c.delivered_at_us.is_(None))
            .values(due_at_us=None, delivered_at_us=at, response=response)
        )

    async def reschedule(self, delivery: WebhookDelivery, due: datetime, response: str) -> None:
        """Set the time of the next attempt, unless another process has claimed the webhook."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=due, response=response))

    async def give_up(self, delivery: WebhookDelivery, response: str) -> None:
        """Give a webhook up, unless another process has claimed it."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=None, response=response))

    async def give_up_older_than(self, created: datetime, response: str) -> None:
        """Give up the webhooks that were created before a moment and are still due."""
        await self._change(
            update(table)
            .where(table.c.due_at_us.is_not(None), table.c.created_at_us < created)
            .values(due_at_us=None, response=response)
        )

    async def delete_older_than(self, created: datetime) -> None:
        """Delete the webhooks created before a moment that were delivered or given up."""
        is_old = and_(table.c.due_at_us.is_(None), table.c.created_at_us < created)
        some = select(table.c.id).where(is_old).limit(_BATCH_SIZE)
        count = _BATCH_SIZE
        while count == _BATCH_SIZE:  # in batches, so that other writers wait only for one
            async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
                ids = list(await connection.scalars(some))
                await connection.execute(delete(table).where(table.c.id.in_(ids)))
                count = len(ids)

    async def _change(self, change: Update) -> None:
        async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
            await connection.execute(change)


def _if_still_claimed(delivery: WebhookDelivery) -> Update:
    return update(table).where(
        table.c.id == delivery.id,
        table.c.attempt_number == delivery.attempt_number,
        table.c.due_at_us.is_not(None),
    )


def _delivery(row: Row[*tuple[object, ...]]) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.id,
        endpoint=row.endpoint,
        body=row.body,
        created_at=row.created_at_us,
        attempt_number=row.attempt_number,
    )
