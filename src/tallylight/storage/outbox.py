"""Webhooks that are to be delivered: written with what they tell of, claimed by one process a try.

A claim moves the time at which a row is due ahead, in one statement. Whoever dies with a claim
leaves the row to be claimed again after that time.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, Update, and_, delete, select, update

from tallylight.storage.engine import Connections, LockId
from tallylight.storage.tables import outbox_table as table

_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One try at a webhook.

    Args:
        id: The webhook's id, by which receivers know a repetition.
        endpoint: To whom, by its name in the configuration.
        body: What is sent.
        created_at: When there was something to tell.
        tries: The how manieth try it is, from 1.
    """

    id: str
    endpoint: str
    body: str
    created_at: datetime
    attempt_number: int


class Outbox:
    """The doors to what is to be delivered; the journal puts it in.

    Nothing here outlives a power cut for sure: what is lost is delivered again.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def claim(
        self, endpoint: str, now: datetime, until: datetime, limit: int
    ) -> tuple[WebhookDelivery, ...]:
        """Take what is due to an endpoint; nobody else gets it before `until`."""
        is_due = and_(table.c.endpoint == endpoint, table.c.due_at_us <= now)
        some = select(table.c.id).where(is_due).order_by(table.c.due_at_us).limit(limit)
        # Mostly nothing is due, and a look takes no writer's turn.
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
        """Say that it arrived."""
        await self._change(
            update(table)
            .where(table.c.id == delivery.id, table.c.delivered_at_us.is_(None))
            .values(due_at_us=None, delivered_at_us=at, response=response)
        )

    async def reschedule(self, delivery: WebhookDelivery, due: datetime, response: str) -> None:
        """Say when it is tried again, unless somebody else tries it already."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=due, response=response))

    async def give_up(self, delivery: WebhookDelivery, response: str) -> None:
        """Say that it is not tried again, unless somebody else tries it already."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=None, response=response))

    async def give_up_older_than(self, created: datetime, response: str) -> None:
        """Say that nothing so old that is still due will be tried again."""
        await self._change(
            update(table)
            .where(table.c.due_at_us.is_not(None), table.c.created_at_us < created)
            .values(due_at_us=None, response=response)
        )

    async def delete_older_than(self, created: datetime) -> None:
        """Delete what is so old and was delivered or given up."""
        is_old = and_(table.c.due_at_us.is_(None), table.c.created_at_us < created)
        some = select(table.c.id).where(is_old).limit(_BATCH_SIZE)
        gone = _BATCH_SIZE
        while gone == _BATCH_SIZE:  # a portion at a time: between them, others get their turn
            async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
                change = delete(table).where(table.c.id.in_(some.scalar_subquery()))
                gone = (await connection.execute(change)).rowcount

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
