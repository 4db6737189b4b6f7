"""The outbox of webhooks and alerts: written with what they report, claimed for each attempt.

A claim postpones the due time of a row in one statement. If the process dies, another one claims
the row again after that time.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, Update, and_, func, select, update

from tallylight.model.outbox import Backlog, Fate, OutboxDelivery, OutboxMessage
from tallylight.storage.engine import Connections, LockId, insert_or_ignore
from tallylight.storage.tables import outbox_table as table

_BATCH_SIZE = 200


def insert_messages(connection: Connection, messages: Sequence[OutboxMessage]) -> None:
    """Record messages in the transaction that records what they report; each id once."""
    rows = [
        {
            "id": message.id,
            "endpoint": message.endpoint,
            "video": message.video,
            "body": message.body,
            "created_at_us": message.at,
            "due_at_us": message.due or message.at,
            "attempt_number": 0,
            "response": "",
        }
        for message in messages
    ]
    connection.execute(insert_or_ignore(connection, table), rows)


class Outbox:
    """Claims messages and records what became of them; other transactions insert them.

    A power cut may undo the last changes; the messages concerned are then delivered again.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def claim(
        self, endpoint: str, now: datetime, until: datetime, limit: int
    ) -> tuple[OutboxDelivery, ...]:
        """Claim the messages due to an endpoint; no other process gets them before `until`."""
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

    async def mark_delivered(self, delivery: OutboxDelivery, at: datetime, response: str) -> None:
        """Record that a message was delivered."""
        await self._change(
            update(table)
            .where(table.c.id == delivery.id, table.c.delivered_at_us.is_(None))
            .values(due_at_us=None, delivered_at_us=at, response=response)
        )

    async def reschedule(self, delivery: OutboxDelivery, due: datetime, response: str) -> None:
        """Set the time of the next attempt, unless another process has claimed the message."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=due, response=response))

    async def give_up(self, delivery: OutboxDelivery, response: str) -> None:
        """Give a message up, unless another process has claimed it."""
        await self._change(_if_still_claimed(delivery).values(due_at_us=None, response=response))

    async def give_up_older_than(self, created: datetime, response: str) -> None:
        """Give up the messages that were created before a moment and are still due."""
        await self._change(
            update(table)
            .where(table.c.due_at_us.is_not(None), table.c.created_at_us < created)
            .values(due_at_us=None, response=response)
        )

    async def release(self, prefix: str, now: datetime) -> None:
        """Make due the messages of some endpoints that were claimed or tried before."""
        is_tried = and_(table.c.due_at_us > now, table.c.attempt_number > 0)
        await self._change(update(table).where(_waits_for(prefix), is_tried).values(due_at_us=now))

    async def give_up_others(
        self, prefix: str, kept: Collection[str], response: str
    ) -> tuple[OutboxDelivery, ...]:
        """Give up the messages for endpoints of a prefix other than those kept; return them."""
        change = (
            update(table)
            .where(_waits_for(prefix), table.c.endpoint.not_in(list(kept)))
            .values(due_at_us=None, response=response)
            .returning(*table.columns)
        )
        async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
            return tuple(_delivery(row) for row in await connection.execute(change))

    async def fates(self, ids: Collection[str]) -> Mapping[str, Fate]:
        """Return what became of the messages of these ids, as far as they are stored."""
        if not ids:
            return {}
        columns = (table.c.id, table.c.due_at_us, table.c.delivered_at_us)
        async with self._connections.read_transaction() as connection:
            rows = await connection.execute(select(*columns).where(table.c.id.in_(list(ids))))
            return {row.id: _fate(row) for row in rows}

    async def backlog(self, prefix: str) -> Mapping[str, Backlog]:
        """Return the messages that wait, by endpoint."""
        query = (
            select(
                table.c.endpoint,
                func.count().label("number"),
                func.min(table.c.created_at_us).label("oldest"),
            )
            .where(_waits_for(prefix))
            .group_by(table.c.endpoint)
        )
        async with self._connections.read_transaction() as connection:
            rows = await connection.execute(query)
            return {row.endpoint: Backlog(row.number, row.oldest) for row in rows}

    async def _change(self, change: Update) -> None:
        async with self._connections.relaxed_transaction(LockId.WEBHOOK) as connection:
            await connection.execute(change)


def _waits_for(prefix: str) -> ColumnElement[bool]:
    return and_(
        table.c.due_at_us.is_not(None), table.c.endpoint.startswith(prefix, autoescape=True)
    )


def _fate(row: Row[*tuple[object, ...]]) -> Fate:
    if row.delivered_at_us is not None:
        return Fate.DELIVERED
    return Fate.GIVEN_UP if row.due_at_us is None else Fate.WAITING


def _if_still_claimed(delivery: OutboxDelivery) -> Update:
    return update(table).where(
        table.c.id == delivery.id,
        table.c.attempt_number == delivery.attempt_number,
        table.c.due_at_us.is_not(None),
    )


def _delivery(row: Row[*tuple[object, ...]]) -> OutboxDelivery:
    return OutboxDelivery(
        id=row.id,
        endpoint=row.endpoint,
        body=row.body,
        created_at=row.created_at_us,
        attempt_number=row.attempt_number,
    )
