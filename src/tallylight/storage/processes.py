"""Who is alive: the processes that follow videos, and who of them is dead.

A video belongs to the process that its row names. A process that is declared dead stays dead: its
videos are taken over, and if it still runs, it continues under another name.

On PostgreSQL each process raises a counter (`HeartbeatLiveness`). On SQLite each process holds a
lock that ends with it (`FileLiveness`). No clock is compared with another one's.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar
from uuid import uuid4

import structlog
from sqlalchemy import delete, exists, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tallylight.errors import StorageError
from tallylight.model.ids import ServiceId
from tallylight.storage.database_clock import DatabaseClock
from tallylight.storage.engine import Connections, LockId, run_to_completion
from tallylight.storage.identity import TIMELINE
from tallylight.storage.process_files import ProcessFiles
from tallylight.storage.tables import processes_table, videos_table
from tallylight.storage.types import DAY

log = structlog.get_logger()

#: How often a process calls `beat`; never sooner, also not to make up for missed calls.
BEAT_INTERVAL = timedelta(seconds=4)

_BEATS_UNTIL_DEAD = 4
_BEAT_TIMEOUT_SECONDS = 3  # and up to 5 more until the driver gives its connection up
_LOCK_ATTEMPTS = 5

_NOW_US = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
_ENTER = text(
    "INSERT INTO processes (name, beat, services, started_at_us)"  # noqa: S608  # our own constant
    f" VALUES (:name, 1, :services, {_NOW_US})"
    " ON CONFLICT (name) DO UPDATE SET services = excluded.services"
)
_RAISE = text(
    "UPDATE processes SET beat = beat + 1 WHERE name = :name AND dead_at_us IS NULL"  # noqa: S608
    f" RETURNING clock_timestamp() AS now, {TIMELINE} AS timeline"
)
_COUNTERS = text("SELECT name, beat FROM processes WHERE dead_at_us IS NULL AND name != :name")
_DECLARE_DEAD = text(
    f"UPDATE processes SET dead_at_us = {_NOW_US}"  # noqa: S608
    " WHERE name = :name AND beat = :beat AND dead_at_us IS NULL RETURNING name"
)
_LEAVE = text(
    f"UPDATE processes SET dead_at_us = {_NOW_US} WHERE name = :name AND dead_at_us IS NULL"  # noqa: S608
)
_LIVING = select(processes_table.c.name).where(processes_table.c.dead_at_us.is_(None))

_T = TypeVar("_T")


class Liveness(Protocol):
    """The life of this process, as the other processes of the database see it."""

    @property
    def name(self) -> str:
        """Return the name of this process; it changes when the process was declared dead."""
        ...

    async def register(self, services: Collection[ServiceId]) -> None:
        """Enter this process, or say which services it can ask from now on.

        Raises:
            StorageError: if that failed.
        """
        ...

    async def beat(self) -> bool:
        """Show that this process lives, and declare dead who does not.

        Returns:
            False if this process had been declared dead; it has entered under a new name then.

        Raises:
            StorageError: if the database did not answer.
        """
        ...

    async def close(self) -> None:
        """Declare this process dead, so that others continue its work at once."""
        ...


class Sighting(NamedTuple):
    """A counter of another process, and how many own beats it has stood still for."""

    beat: int
    own_beats: int


def sightings(
    before: Mapping[str, Sighting], counters: Mapping[str, int]
) -> Mapping[str, Sighting]:
    """Return what is known of each process after one more own beat.

    Args:
        before: What was known at the previous own beat.
        counters: The counters of the other processes that are not dead, by name.
    """
    return {
        name: Sighting(beat, before[name].own_beats + 1)
        if name in before and before[name].beat == beat
        else Sighting(beat, 0)
        for name, beat in counters.items()
    }


class HeartbeatLiveness:
    """A counter in PostgreSQL, raised over a connection that nothing else uses.

    Only own beats that got through count, so a process that was stopped or cut off does not take
    the others for dead.

    Args:
        connections: The database.
        clock: Approaches the server's time with each beat.
        is_well: Returns whether writes get through and the loop turns; without that, no beat.
        check_identity: `IdentityGuard.check`. It is called before others are judged, at the first
            beat, once a standby has been promoted, and once this process was declared dead.
    """

    def __init__(
        self,
        connections: Connections,
        clock: DatabaseClock,
        is_well: Callable[[], bool],
        check_identity: Callable[[], Awaitable[object]],
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._is_well = is_well
        self._check_identity = check_identity
        self._engine = connections.separate_engine()
        self._name = _new_name()
        self._services = ""
        self._seen: Mapping[str, Sighting] = {}
        self._timeline: str | None = None

    @property
    def name(self) -> str:
        """Return the name of this process."""
        return self._name

    async def register(self, services: Collection[ServiceId]) -> None:
        """Enter this process, or say which services it can ask from now on."""
        self._services = _services_json(services)
        await self._run(self._enter)

    async def beat(self) -> bool:
        """Raise the own counter, and declare dead whose counter stands still."""
        if not self._is_well():
            return True
        timeline = await self._run(self._raise_counter)
        if timeline is None:
            log.warning("process.declared_dead", process=self._name)
            await self._check_identity()  # the row may be missing because the database forgot it
            self._name, self._seen = _new_name(), {}
            await self._run(self._enter)
            return False
        if timeline != self._timeline:
            await self._check_identity()
            self._timeline = timeline
        await self._run(self._judge_others)
        return True

    async def close(self) -> None:
        """Declare this process dead and close the connection."""
        try:
            await self._run(self._leave)
        except StorageError as error:
            log.debug("process.left_silently", error=str(error))
        finally:
            await run_to_completion(self._engine.dispose())

    async def _enter(self, connection: AsyncConnection) -> None:
        await connection.execute(_ENTER, {"name": self._name, "services": self._services})
        await _forget_dead(connection, self._clock.now() - DAY)

    async def _raise_counter(self, connection: AsyncConnection) -> str | None:
        """Return the timeline of the server, None if this process was declared dead."""
        asked_at = self._clock.boottime()
        row = (await connection.execute(_RAISE, {"name": self._name})).one_or_none()
        if row is None:
            return None
        self._clock.adjust(row.now.astimezone(UTC), asked_at, self._clock.boottime())
        return str(row.timeline)

    async def _judge_others(self, connection: AsyncConnection) -> None:
        rows = await connection.execute(_COUNTERS, {"name": self._name})
        self._seen = sightings(self._seen, {row.name: row.beat for row in rows})
        for name, seen in self._seen.items():
            if seen.own_beats >= _BEATS_UNTIL_DEAD:
                names = {"name": name, "beat": seen.beat}
                if (await connection.execute(_DECLARE_DEAD, names)).first() is not None:
                    log.warning("process.dead", process=name)

    async def _leave(self, connection: AsyncConnection) -> None:
        await connection.execute(_LEAVE, {"name": self._name})

    async def _run(self, action: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        with self._connections.storage_errors():
            try:
                async with (
                    asyncio.timeout(_BEAT_TIMEOUT_SECONDS),
                    self._engine.connect() as connection,
                ):
                    return await action(connection)
            except TimeoutError:
                raise StorageError(
                    f"database: no answer to a heartbeat in {_BEAT_TIMEOUT_SECONDS} s"
                ) from None


class FileLiveness:
    """A lock on a file beside the SQLite database, held until the process ends.

    A process that is stopped keeps it, so it is not dead; SQLite's own locks stop with it too.

    Args:
        connections: The database.
        clock: Its clock.
        files: The files beside it.
        check_identity: `IdentityGuard.check`. It is called once this process was declared dead.
    """

    def __init__(
        self,
        connections: Connections,
        clock: DatabaseClock,
        files: ProcessFiles,
        check_identity: Callable[[], Awaitable[object]],
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._files = files
        self._check_identity = check_identity
        self._name = _new_name()
        self._services = ""
        self._lock: int | None = None

    @property
    def name(self) -> str:
        """Return the name of this process."""
        return self._name

    async def register(self, services: Collection[ServiceId]) -> None:
        """Enter this process, or say which services it can ask from now on."""
        self._services = _services_json(services)
        if self._lock is None:
            await self._enter()
            return
        async with self._connections.durable_transaction(LockId.PROCESS) as connection:
            await connection.execute(
                update(processes_table)
                .where(processes_table.c.name == self._name)
                .values(services=self._services)
            )

    async def beat(self) -> bool:
        """Declare dead whose lock is free."""
        self._clock.compare_wall_clock()
        async with self._connections.read_transaction() as connection:
            living = set(await connection.scalars(_LIVING))
        if self._name not in living:
            log.warning("process.declared_dead", process=self._name)
            await self._check_identity()  # the row is missing in an older copy of the database
            self._release()
            await self._enter()
            return False
        dead = [name for name in living - {self._name} if self._files.is_dead(name)]
        if dead:
            async with self._connections.durable_transaction(LockId.PROCESS) as connection:
                await self._mark_dead(connection, dead)
            for name in dead:
                log.warning("process.dead", process=name)
                self._files.remove_dead(name)
        return True

    async def close(self) -> None:
        """Declare this process dead and end its lock."""
        if self._lock is None:
            return
        try:
            async with self._connections.durable_transaction(LockId.PROCESS) as connection:
                await self._mark_dead(connection, (self._name,))
        except StorageError as error:  # the lock that ends below says the same
            log.debug("process.left_silently", error=str(error))
        finally:
            self._release()

    async def _enter(self) -> None:
        """Lock a new file, then insert the row: a row without a locked file is a dead process."""
        self._name, self._lock = self._lock_new_file()
        row = {
            "name": self._name,
            "beat": 1,
            "services": self._services,
            "started_at_us": self._clock.now(),
        }
        try:
            async with self._connections.durable_transaction(LockId.PROCESS) as connection:
                await connection.execute(insert(processes_table), row)
                await _forget_dead(connection, self._clock.now() - DAY)
                living = set(await connection.scalars(_LIVING))
        except BaseException:
            self._release()
            raise
        for name in set(self._files.names()) - living:  # left by a crash before its row was written
            self._files.remove_dead(name)

    def _lock_new_file(self) -> tuple[str, int]:
        for _ in range(_LOCK_ATTEMPTS):
            name = _new_name()
            lock = self._files.lock(name)
            if lock is not None:
                return name, lock
        raise StorageError("database: no file of a process can be locked beside the database file")

    def _release(self) -> None:
        if self._lock is not None:
            self._files.unlock(self._name, self._lock)
            self._lock = None

    async def _mark_dead(self, connection: AsyncConnection, names: Collection[str]) -> None:
        table = processes_table
        await connection.execute(
            update(table)
            .where(table.c.name.in_(names), table.c.dead_at_us.is_(None))
            .values(dead_at_us=self._clock.now())
        )


def open_liveness(
    connections: Connections,
    clock: DatabaseClock,
    is_well: Callable[[], bool],
    check_identity: Callable[[], Awaitable[object]],
) -> Liveness:
    """Return the liveness of this process in a database; the arguments are those of the classes."""
    if connections.file is not None:
        return FileLiveness(connections, clock, ProcessFiles(connections.file), check_identity)
    return HeartbeatLiveness(connections, clock, is_well, check_identity)


async def _forget_dead(connection: AsyncConnection, before: datetime) -> None:
    """Delete the rows of processes that died before a moment and that no video under way names."""
    table = processes_table
    is_named = exists().where(
        videos_table.c.ended_at_us.is_(None), videos_table.c.owner == table.c.name
    )
    await connection.execute(delete(table).where(table.c.dead_at_us < before, ~is_named))


def _new_name() -> str:
    return uuid4().hex


def _services_json(services: Collection[ServiceId]) -> str:
    return json.dumps(sorted(services))
