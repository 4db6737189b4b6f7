"""One process of the real program: its engine and the gateway's policy, on a loop that is stepped.

Only what lies below is replaced: the threads and drivers of the database, the sockets, the clock,
and what says which processes live. The transactions themselves are the real ones.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection

from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.gateway_wiring import GatewayResources, wire_gateway
from tallylight.app.job_wiring import wire_jobs
from tallylight.model.ids import ServiceId
from tallylight.storage.group_commit import GroupCommitter
from tallylight.upstreams.transport import Transport
from tests.jobs.stepped_calls import Call, CallKind, Calls
from tests.jobs.stepped_loop import SteppedClock, SteppedLoop, WorldTime
from tests.jobs.stepped_network import SteppedPools, SteppedSession
from tests.jobs.upstream_twins import Twins
from tests.jobs.world_database import Database

if TYPE_CHECKING:
    from tallylight.storage.database import Storage
    from tallylight.storage.engine import Connections


CREATE = "create"
"""Begins the names of tasks that serve callers."""


class Remote:
    """A part of the storage, each call of which waits until the test lets it happen."""

    def __init__(self, part: object, database: Database, calls: Calls) -> None:
        self._part = part
        self._database = database
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, object]]:
        method = getattr(self._part, name)

        async def call(*args: object, **options: object) -> object:
            return await self._calls.call(
                CallKind.DATABASE, lambda: self._database.run(method(*args, **options))
            )

        return call


class SteppedStorage:
    """Takes the place of `Storage`: the parts that the gateway and the engine use."""

    def __init__(self, database: Database, calls: Calls) -> None:
        self._database = database
        self._calls = calls
        storage = database.storage
        self.videos = Remote(storage.videos, database, calls)
        self.attempts = Remote(storage.attempts, database, calls)
        self.keys = Remote(storage.keys, database, calls)
        self.characters = Remote(storage.characters, database, calls)
        self.outbox = Remote(storage.outbox, database, calls)
        self.group_commit = GroupCommitter(cast("Connections", self))

    async def run_in_thread(
        self,
        work: Callable[[Connection], object],
        *,
        is_durable: bool,  # noqa: ARG002  # no test cuts the power
    ) -> object:
        """Run work in a transaction, as `Connections` does."""
        return await self._calls.call(CallKind.COMMIT, lambda: self._database.transact(work))


class SteppedLiveness:
    """The life of a process: the test alone declares it dead."""

    def __init__(self, name: str, database: Database, calls: Calls) -> None:
        self._first_name = name
        self._lives = 1
        self._database = database
        self._calls = calls

    @property
    def name(self) -> str:
        """Return the name of this process; it changes when the process was declared dead."""
        return f"{self._first_name}.{self._lives}"

    async def register(self, services: Collection[ServiceId]) -> None:
        """Enter this process."""
        del services  # all processes have the same
        await self._calls.call(CallKind.DATABASE, lambda: self._database.start_process(self.name))

    async def beat(self) -> bool:
        """Tell whether this process lives; else enter it under a new name."""
        is_dead = await self._calls.call(
            CallKind.DATABASE, lambda: self._database.is_dead(self.name)
        )
        if is_dead:
            self._lives += 1
            await self.register(())
        return not is_dead

    async def close(self) -> None:
        """Declare this process dead."""
        await self._calls.call(CallKind.DATABASE, lambda: self._database.declare_dead(self.name))


class Process:
    """A process of the program."""

    def __init__(
        self,
        number: int,
        time: WorldTime,
        database: Database,
        twins: Twins,
    ) -> None:
        self.is_stopped = False
        self.is_killed = False
        self.is_cut_off = False  # from the database
        self.loop = SteppedLoop(time, offset=1000.0 * number)  # type: ignore[abstract]
        clock = SteppedClock(time, self.loop)
        self.calls = Calls(self.loop)
        self.storage = SteppedStorage(database, self.calls)
        storage = cast("Storage", self.storage)
        transport = Transport(clock)
        session = SteppedSession(self.calls, twins, self.loop)
        transport._pools = SteppedPools(session)  # type: ignore[assignment]
        self.liveness = SteppedLiveness(f"process_{number}", database, self.calls)
        self.jobs = wire_jobs(database.board, storage, transport, self.liveness, clock)
        self.wiring = wire_gateway(
            CurrentConfiguration(database.configuration),
            GatewayResources(database.board, storage, transport, database.assets, clock),
            self.jobs,
        )
        self.wiring.gateway._creator._selector._random = Random(number)  # noqa: S311  # no secret
        self.aftercare = self.jobs.aftercare()
        self._tasks: dict[str, asyncio.Task[object]] = {}
        self.do("committing", self.storage.group_commit._run())

    @property
    def runs(self) -> bool:
        """Tell whether it can take a step."""
        return not (self.is_stopped or self.is_killed)

    @property
    def pending(self) -> list[Call]:
        """Return the calls that it waits for."""
        return self.calls.pending

    def do(self, name: str, work: Coroutine[Any, Any, object]) -> asyncio.Task[object] | None:
        """Start a task, unless the one of that name still runs."""
        task = self._tasks.get(name)
        if task is not None and not task.done():
            work.close()
            return None
        self._tasks[name] = self.loop.create_task(work, name=name)
        return self._tasks[name]

    @property
    def is_closing(self) -> bool:
        """Tell whether it is shutting down, or has."""
        return self.jobs.followers.is_closing

    def beat(self) -> None:
        """Begin a beat of the followers, which takes videos over."""
        if not self.is_closing:
            self.do("beat", self.jobs.followers.beat())

    def shut_down(self) -> None:
        """Begin to shut the followers down."""
        beat = self._tasks.get("beat")
        if beat is not None:
            beat.cancel()
        self.do("shut down", self.jobs.followers._shut_down())

    def disconnect_callers(self) -> None:
        """Break the connections of all callers that wait for a response."""
        for name, task in self._tasks.items():
            if name.startswith(CREATE):
                task.cancel()

    def run(self) -> None:
        """Let all tasks run until they wait."""
        if self.runs:
            self.loop.run()

    def kill(self) -> tuple[Call, ...]:
        """End like a kill -9; return the calls that were under way."""
        left = self.calls.close()
        self.is_killed = True
        self.storage.group_commit.write = _never  # type: ignore[method-assign, assignment]
        while tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self.loop.run()
        return left


async def _never(*_: object) -> Any:
    raise asyncio.CancelledError
