"""The real database of the stepped processes, and what is read from it to be checked."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.gateway.assets.store import OpenAsset
from tallylight.model.attempt import Attempt
from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ledger import LedgerEntry
from tallylight.storage.attempts import attempt_from_row
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.ledger import entry_from_row
from tallylight.storage.options import RetentionOptions
from tallylight.storage.tables import (
    attempts_table,
    idempotency_table,
    ledger_table,
    outbox_table,
    processes_table,
    spent_table,
    videos_table,
)
from tests.builders import NOON
from tests.jobs.world_configuration import CALLERS, new_configuration

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


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has."""

    videos: Sequence[Row[*tuple[object, ...]]]
    attempts: Sequence[Attempt]
    entries: Sequence[LedgerEntry]
    spent: dict[tuple[str, int, int], int]
    message_counts: dict[tuple[str, str], int]
    keys: dict[tuple[str, str], str]


class MemoryStore:
    """The asset store of all processes."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def save(self, name: str, path: Path) -> None:
        assert path.name
        self.names.add(name)

    async def put(self, name: str, body: bytes) -> None:
        assert body
        self.names.add(name)

    def open(
        self, name: str, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[OpenAsset]:
        raise NotImplementedError(name, start, end)  # no caller reads content

    async def size(self, name: str) -> int | None:
        raise NotImplementedError

    async def delete(self, name: str) -> None:
        self.names.discard(name)


class Database:
    """A storage that is opened once, with an event loop of its own, and what belongs to it.

    Args:
        address: Its address.
        folder: Where a configuration would lie.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        clock = VirtualClock(NOON)
        opened = open_storage(address, clock)
        self.storage: Storage = self.run(self._stack.enter_async_context(opened))
        self.configuration = new_configuration(folder)
        # Evidence changes a board. No process reports any here, so all of them share one.
        self.board = Board(self.storage, clock)
        services = self.configuration.catalogue.services.values()
        self.run(self.board.apply_config(services, self.configuration.verdicts))
        self.assets = MemoryStore()
        for caller in CALLERS:
            digest = f"digest of {caller.key}"
            key = GatewayKey(caller.key, caller.name, digest, "", NOON, budget=caller.budget)
            self.run(self.storage.keys.add(key))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a call of the storage to its end."""
        return self._runner.run(work)

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction, as `Connections.run_in_thread` does, but in this thread."""
        connections = self.storage.connections
        with connections.storage_errors(), connections._thread_engine.begin() as connection:
            return work(connection)

    def clear(self) -> None:
        """Delete all rows, except those of the callers' keys."""

        def work(connection: Connection) -> None:
            for table in _TABLES:
                connection.execute(delete(table))

        self.transact(work)
        self.assets.names.clear()

    def start_process(self, name: str) -> None:
        row = {"name": name, "beat": 1, "services": "[]", "started_at_us": NOON}
        self.transact(lambda connection: connection.execute(insert(processes_table), row))

    def declare_dead(self, name: str) -> None:
        is_it = processes_table.c.name == name
        change = update(processes_table).where(is_it).values(dead_at_us=NOON)
        self.transact(lambda connection: connection.execute(change))

    def is_dead(self, name: str) -> bool:
        c = processes_table.c
        living = select(c.name).where(c.name == name, c.dead_at_us.is_(None))
        return self.transact(lambda connection: connection.execute(living).first()) is None

    def apply_retention(self) -> None:
        """Delete what no window reads any more."""
        self.run(self.storage.apply_retention(RetentionOptions()))

    def read(self) -> Stored:
        """Return everything that one state of the database has."""
        return self.transact(_stored)


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
