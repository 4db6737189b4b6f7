"""The stage of one round: a simulator, a database, gateways before it, and callers."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bench.chaos.callers import Caller, CallerRecord
from bench.chaos.clock_shift import SteppableClock
from bench.chaos.postgres import PostgresCluster, postgres_cluster
from bench.chaos.processes import Gateway, Program, fetch_json, free_port
from bench.chaos.proxy import PostgresProxy, postgres_proxy
from bench.chaos.records import unfinished
from bench.chaos.sqlite_files import FreezableDisk, freezable_disk
from bench.chaos.world import BRIEF_FAULTS, FOUR_BILLINGS, SPEED, ChaosWorld, Limits, configuration

_TAKE_OVER_S = 20.0
"""Upper limit of the time until the videos of a killed process are taken over."""


class DatabaseKind(StrEnum):
    """Where the gateways of a round keep their videos."""

    SQLITE = "sqlite"
    SQLITE_ON_FREEZABLE_DISK = "sqlite on a disk that freezes"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trouble needs.

    Args:
        database: Kind of the database.
        replicas: Number of gateways on it.
        creates: Number of videos.
        spread: Seconds over which half of the creates are spread.
        burst: Seconds over which the other half is spread.
        deadline: Of a video, in seconds.
        job_seconds: Median duration of a job in seconds.
        job_limit: Seconds after which a job counts as stalled.
        shares: Share of creates that meets each fault.
        has_clocks: Each gateway has a wall clock that can be stepped.
        missing: Services that the second gateway does not have.
        world: What it runs against.
    """

    database: DatabaseKind = DatabaseKind.SQLITE
    replicas: int = 1
    creates: int = 100
    spread: float = 40.0
    burst: float = 3.0
    deadline: float = 300.0
    job_seconds: float = 16.0
    job_limit: float = 600.0
    shares: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(BRIEF_FAULTS, 0.01))
    has_clocks: bool = False
    missing: Collection[str] = ()
    world: ChaosWorld = FOUR_BILLINGS


class Stage:
    """What a trouble acts on.

    Attributes:
        gateways: The gateways on the database.
        proxies: The proxy between each gateway and PostgreSQL; empty for SQLite.
        clocks: The clock of each gateway, if the setup asks for them.
        notes: What the report says about the round.
        memory_gap: First and last Unix time of what the database has lost, if it has.
    """

    def __init__(self, setup: Setup, folder: Path, rng: random.Random, scale: float) -> None:
        self.setup = setup
        self.folder = folder
        self.rng = rng
        self.gateways: list[Gateway] = []
        self.proxies: list[PostgresProxy] = []
        self.clocks: list[SteppableClock] = []
        self.notes: list[str] = []
        self.memory_gap: tuple[float, float] | None = None
        self.simulator = ""
        self._scale = scale
        self._cluster: PostgresCluster | None = None
        self._disk: FreezableDisk | None = None
        self._catalogue: Mapping[str, object] = {}

    @property
    def cluster(self) -> PostgresCluster:
        """Return the PostgreSQL server."""
        assert self._cluster is not None, "the setup has no PostgreSQL"
        return self._cluster

    @property
    def disk(self) -> FreezableDisk:
        """Return the disk that freezes."""
        assert self._disk is not None, "the setup has no disk of its own"
        return self._disk

    @property
    def file(self) -> Path:
        """Return the SQLite file."""
        return (self._disk.folder if self._disk is not None else self.folder) / "history.db"

    @property
    def database_url(self) -> str:
        """Return the URL of the database, without a proxy."""
        return f"sqlite:///{self.file}" if self._cluster is None else self._cluster.url()

    async def wait(self, seconds: float) -> None:
        """Wait for some seconds, times the option `--time-scale`."""
        await asyncio.sleep(seconds * self._scale)  # noqa: TID251  # real time is the test

    async def wait_until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until a condition holds; return whether it does."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if condition():
                return True
            await asyncio.sleep(0.1)  # noqa: TID251  # another process makes it true
        return False

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the simulator, the database and the gateways."""
        await self._open_simulator(stack)
        match self.setup.database:
            case DatabaseKind.SQLITE:
                pass
            case DatabaseKind.SQLITE_ON_FREEZABLE_DISK:
                self._disk = stack.enter_context(freezable_disk(self.folder))
            case DatabaseKind.POSTGRES:
                self._cluster = await stack.enter_async_context(postgres_cluster(self.folder))
        for number in range(self.setup.replicas):
            url = self.database_url
            if self._cluster is not None:
                proxy = await stack.enter_async_context(postgres_proxy(self._cluster.port))
                self.proxies.append(proxy)
                url = self._cluster.url(proxy.port)
            missing = self.setup.missing if number else ()
            gateway = self.new_gateway(f"gateway-{number + 1}", url, missing)
            await stack.enter_async_context(aclosing(gateway))
            self.gateways.append(gateway)
            await gateway.start()

    def new_gateway(
        self, name: str, database: str, missing: Collection[str] = (), *, assets: str = "assets"
    ) -> Gateway:
        """Return a gateway with a configuration of its own; it is not started."""
        port = free_port()
        limits = Limits(deadline=self.setup.deadline, job=self.setup.job_limit)
        listen = f"127.0.0.1:{port}"
        document = configuration(self._catalogue, listen, database, limits, missing)
        document["assets"] = {"location": assets}
        (self.folder / f"{name}.yaml").write_text(json.dumps(document), encoding="utf-8")
        environment: Mapping[str, str] = {}
        if self.setup.has_clocks:
            clock = SteppableClock(self.folder, name)
            self.clocks.append(clock)
            environment = clock.environment
        return Gateway(self.folder, name, port, environment)

    async def _open_simulator(self, stack: AsyncExitStack) -> None:
        world = self.setup.world.scenario(self.setup.shares, self.setup.job_seconds)
        (self.folder / "world.yaml").write_text(world, encoding="utf-8")
        arguments = ["simulate", "--scenario", "world.yaml", "--port", "0", "--speed", f"{SPEED:g}"]
        program = await stack.enter_async_context(
            aclosing(Program(arguments, self.folder, "world"))
        )
        self.simulator = await program.wait_for_output(r"(http://\S+)/_sim/scenario\n")
        self._catalogue = (await fetch_json(f"{self.simulator}/_sim/scenario"))["catalogue"]

    async def all_ended(self) -> None:
        """Return once no video is under way, or after a while: callers waited for the deadline."""
        deadline = time.monotonic() + 3 * _TAKE_OVER_S
        while time.monotonic() < deadline:
            if not await asyncio.to_thread(unfinished, self.database_url):
                return
            await asyncio.sleep(0.5)  # noqa: TID251  # another process writes the rows


@asynccontextmanager
async def opened_stage(
    setup: Setup, folder: Path, rng: random.Random, scale: float
) -> AsyncIterator[Stage]:
    """Open a stage for the block."""
    async with AsyncExitStack() as stack:
        stage = Stage(setup, folder, rng, scale)
        await stage.open(stack)
        yield stage


class Audience:
    """The callers of one round."""

    def __init__(self, stage: Stage, tasks: asyncio.TaskGroup) -> None:
        setup = stage.setup
        addresses = [gateway.address for gateway in stage.gateways]
        self.caller = Caller(addresses, setup.deadline + _TAKE_OVER_S)
        names = setup.world.routes()
        # Half of the creates come at once, so that many videos are in the same state.
        spreads = [setup.burst if number % 2 else setup.spread for number in range(setup.creates)]
        send_times = sorted(stage.rng.uniform(0, spread) for spread in spreads)
        self._requests = [
            tasks.create_task(self.caller.generate(f"boat {number}", next(names), send_at))
            for number, send_at in enumerate(send_times)
        ]

    async def records(self) -> list[CallerRecord]:
        """Return what the callers saw, once all of them have finished."""
        return [await request for request in self._requests]
