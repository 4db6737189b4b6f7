"""The real database of the simulated processes, and what is read from it to be checked."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tallylight.clock import VirtualClock
from tallylight.model.attempt import Attempt
from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.ledger import LedgerEntry
from tallylight.model.video import VideoRecord
from tallylight.storage.attempts import attempt_from_row
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.ledger import entry_from_row
from tallylight.storage.retention import RetentionOptions
from tallylight.storage.tables import (
    attempts_table,
    idempotency_table,
    ledger_table,
    outbox_table,
    processes_table,
    spent_table,
    videos_table,
)
from tallylight.storage.transaction import Write, Written, write_group
from tallylight.storage.videos import IdempotencyRecord
from tests.builders import NOON

T = TypeVar("T")

_TABLES = (
    attempts_table,
    idempotency_table,
    ledger_table,
    outbox_table,
    processes_table,
    spent_table,
    videos_table,
)


class RolledBackError(Exception):
    """The database lost a commit."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has."""

    videos: Sequence[Row[*tuple[object, ...]]]
    attempts: Sequence[Attempt]
    entries: Sequence[LedgerEntry]
    spent: dict[tuple[str, int, int], int]
    message_counts: dict[tuple[str, str], int]
    keys: dict[tuple[str, str], str]


class Database:
    """A storage that is opened once, with an event loop of its own."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        opened = open_storage(address, VirtualClock(NOON))
        self._storage: Storage = self._runner.run(self._stack.enter_async_context(opened))

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def clear(self) -> None:
        """Delete all rows."""

        def work(connection: Connection) -> None:
            for table in _TABLES:
                connection.execute(delete(table))

        self._run(work)

    def write(self, group: Sequence[Write]) -> list[Written]:
        """Commit a group."""
        return self._run(lambda connection: write_group(connection, group))

    def lose(self, group: Sequence[Write]) -> None:
        """Write a group and lose its commit."""

        def work(connection: Connection) -> None:
            write_group(connection, group)
            raise RolledBackError

        try:
            self._run(work)
        except RolledBackError:
            return

    def start_process(self, name: str) -> None:
        row = {"name": name, "beat": 1, "services": "[]", "started_at_us": NOON}
        self._run(lambda connection: connection.execute(insert(processes_table), row))

    def declare_dead(self, name: str, at: datetime) -> None:
        is_it = processes_table.c.name == name
        change = update(processes_table).where(is_it).values(dead_at_us=at)
        self._run(lambda connection: connection.execute(change))

    def claim_orphans(
        self, owner: str, services: Collection[ServiceId], now: datetime
    ) -> tuple[VideoRecord, ...]:
        return self._runner.run(self._storage.videos.claim_orphans(owner, services, now))

    def claim_again(self, owner: str, ids: Collection[VideoId]) -> tuple[VideoRecord, ...]:
        return self._runner.run(self._storage.videos.claim_again(owner, ids))

    def owned_by(self, owner: str) -> frozenset[VideoId]:
        return self._runner.run(self._storage.videos.owned_by(owner))

    def by_key(self, key: KeyId, idempotency_key: str) -> IdempotencyRecord | None:
        return self._runner.run(self._storage.videos.by_idempotency_key(key, idempotency_key))

    def delete_video(self, id_: VideoId, at: datetime) -> None:
        self._runner.run(self._storage.videos.delete(id_, at))

    def apply_retention(self) -> None:
        """Delete what no window reads any more."""
        self._runner.run(self._storage.apply_retention(RetentionOptions()))

    def read(self) -> Stored:
        """Return everything that one state of the database has."""
        return self._run(_stored)

    def _run(self, work: Callable[[Connection], T]) -> T:
        return self._runner.run(self._storage.connections.run_in_thread(work, is_durable=False))


def _stored(connection: Connection) -> Stored:
    messages = select(outbox_table.c.video, outbox_table.c.endpoint, func.count()).group_by(
        outbox_table.c.video, outbox_table.c.endpoint
    )
    keys = select(
        idempotency_table.c.key, idempotency_table.c.idempotency_key, idempotency_table.c.video
    )
    return Stored(
        videos=connection.execute(select(videos_table)).all(),
        attempts=[attempt_from_row(row) for row in connection.execute(select(attempts_table))],
        entries=[entry_from_row(row) for row in connection.execute(select(ledger_table))],
        spent={
            (row.scope, row.grain, row.bucket): row.micro_usd
            for row in connection.execute(select(spent_table))
            if row.micro_usd
        },
        message_counts={(row[0], row[1]): row[2] for row in connection.execute(messages)},
        keys={(row[0], row[1]): row[2] for row in connection.execute(keys)},
    )
