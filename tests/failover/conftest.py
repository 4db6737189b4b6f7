"""A gateway of one process and a simulation over real HTTP, in accelerated time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.gateway_wiring import GatewayResources, GatewayWiring, wire_gateway
from tallylight.app.job_wiring import JobWiring, wire_jobs
from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.config.settings import Configuration, configuration_of
from tallylight.documents.document import parse_document
from tallylight.documents.secret import Secret
from tallylight.gateway.assets.directory import DirectoryStore
from tallylight.gateway.assets.options import open_store
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import CreateRequest
from tallylight.jobs.submit import CreateTiming
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import VideoId
from tallylight.model.video import Video
from tallylight.model.wish import WishedMeasures
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario, ScenarioKey
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.processes import FileLiveness, Liveness, open_liveness
from tallylight.storage.transaction import Write, Written
from tallylight.upstreams.transport import Transport

_MEASURES = tuple(each.name for each in fields(WishedMeasures))


async def _never(_: Write) -> Written:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


async def _nothing() -> None:
    pass


SPEED = 20.0  # gateway and simulation seconds per real second
TIMING = CreateTiming(send_within=timedelta(minutes=1))  # 3 s of the machine
AFTER_ALL_JOBS = 100_000.0  # seconds after which every simulated job has ended

SCENARIO = """
title: Three that sell the same
start: 2026-01-28T09:00:00Z
upstreams:
  first: {provider: one, protocol: openai_videos, dialect: openai, keys: [sk-first]}
  second: {provider: two, protocol: openai_videos, dialect: openai, keys: [sk-second]}
  relay: {provider: three, protocol: openai_videos, dialect: new_api, keys: [sk-relay]}
services:
  a: &service
    name: A
    upstream: first
    model: sora-2
    access: official
    price: {unit: per_call, rates: {"*": 0.10}}
    latency: [4, 6]
    lengths: [4, 8]
    sizes: [1280x720, 720x1280]
    blocked_words: [forbidden]
  b: {<<: *service, name: B, upstream: second, price: {unit: per_call, rates: {"*": 0.20}}}
  c: {<<: *service, name: C, upstream: relay, price: {unit: per_call, rates: {"*": 0.30}}}
"""


@dataclass(slots=True)
class RunningGateway:
    """A running gateway, and the simulation that it calls."""

    simulation: Simulation
    clock: Clock
    storage: Storage
    board: Board
    jobs: JobWiring
    wiring: GatewayWiring
    configuration: Configuration
    running: asyncio.Task[None]
    store: AssetStore
    others: list[Liveness] = field(default_factory=list)

    @property
    def assets(self) -> Path:
        """Return the directory of the asset store."""
        assert isinstance(self.store, DirectoryStore)
        return self.store._root

    async def kill(self) -> None:
        """Stop like a kill -9: nothing more is recorded, and only the lock of the file ends."""
        followers = self.jobs.followers
        liveness = followers._liveness
        assert isinstance(liveness, FileLiveness)
        self.storage.group_commit.write = _never  # type: ignore[method-assign, assignment]
        following = tuple(followers._tasks.values())
        for tracked in followers._tracked.values():
            tracked.is_sending = False
        for task in (self.running, *following):
            task.cancel()
        liveness.close = _nothing  # type: ignore[method-assign]
        await asyncio.gather(self.running, *following, return_exceptions=True)
        liveness._release()

    async def kill_during_create(self, name: str) -> None:
        """Kill the gateway during a create that the service accepts but does not answer."""
        self.set_faults(name, {"kind": "hang", "accepts": True})
        asking = asyncio.create_task(self.create())
        while not self.create_count(name):  # the simulation has no event for it
            await self.clock.sleep(timedelta(seconds=1))
        await self.kill()
        asking.cancel()
        self.set_faults(name)

    async def kill_after_writes(self, writes: int) -> None:
        """Kill the gateway after this many durable writes, before the next one."""
        group_commit, write = self.storage.group_commit, self.storage.group_commit.write
        write_count, is_done = 0, asyncio.Event()

        async def counted(wanted: Write) -> Written:
            nonlocal write_count
            if is_done.is_set():
                await asyncio.Event().wait()
            written = await write(wanted)
            write_count += wanted.is_durable
            if write_count == writes:
                is_done.set()
            return written

        group_commit.write = counted  # type: ignore[method-assign, assignment]  # the real one, counted
        await is_done.wait()
        await self.kill()

    async def other_process(self) -> str:
        """Return the name of another process that lives as long as this gateway."""
        liveness = open_liveness(
            self.storage.connections, self.storage.clock, lambda: True, _nothing
        )
        await liveness.register(())
        self.others.append(liveness)
        return liveness.name

    async def take_over(self) -> str:
        """Take all videos over, as another process does that believes this one to be dead."""
        owner = await self.other_process()
        change = text(
            "UPDATE videos SET owner = :owner, epoch = epoch + 1, revision = revision + 1"
        )
        async with self.storage.connections.durable_transaction(LockId.VIDEO) as connection:
            await connection.execute(change, {"owner": owner})
        return owner

    async def replace_key(self, upstream: str, key: str) -> None:
        """Replace the key of an upstream, and reload a configuration with the new key."""
        known = self.simulation.scenario.upstreams
        part = known[upstream].model_copy(update={"keys": (ScenarioKey(key=key),)})
        changed = {"upstreams": {**known, upstream: part}}
        self.simulation.scenario = self.simulation.scenario.model_copy(update=changed)
        services = [
            replace(each, upstream=replace(each.upstream, key=Secret(key)))
            if each.upstream.id == upstream
            else each
            for each in self.configuration.catalogue.services.values()
        ]
        await self.board.apply_config(services, self.configuration.verdicts)

    def set_faults(self, name: str, *faults: Mapping[str, object]) -> None:
        """Replace the faults of a service from now on."""
        self.simulation.override_faults(
            name, tuple(FAULT_ADAPTER.validate_python(one) for one in faults)
        )

    async def create(self, prompt: str = "a paper boat", **options: object) -> Video:
        """Create a video as an anonymous caller; measures are options of their own names."""
        measures = {name: options.pop(name) for name in _MEASURES if name in options}
        ask = CreateRequest(
            model="boats",
            prompt=prompt,
            measures=WishedMeasures(**measures),  # type: ignore[arg-type]  # its fields
            fingerprint=prompt,
        )
        return await self.wiring.gateway.create(
            replace(ask, **options),  # type: ignore[arg-type]  # a test's shorthand
            ANONYMOUS,
        )

    async def until_ended(self, video: Video | VideoId) -> Video:
        """Return a video once it has ended; fail after a minute."""
        id_ = video.id if isinstance(video, Video) else video
        async with asyncio.timeout(60):
            while True:
                found = await self.wiring.gateway.wait_for_change(
                    id_, ANONYMOUS, timedelta(seconds=5)
                )
                if found.is_terminal:
                    return found

    async def until_released(self, video: Video) -> None:
        """Return once the gateway no longer follows a video, which is after its end."""
        async with asyncio.timeout(60):
            while self.jobs.followers.tracked(video.id) is not None:
                await self.clock.sleep(timedelta(seconds=1))

    async def attempts(self, video: Video) -> Sequence[Attempt]:
        """Return the attempts of a video."""
        return await self.storage.attempts.for_video(video.id)

    async def attempt_states(self, video: Video) -> list[tuple[str, AttemptState]]:
        """Return the services of a video's attempts with the states of these."""
        return [(str(each.service), each.state) for each in await self.attempts(video)]

    def billed_jobs(self, prompt: str) -> int:
        """Return the number of jobs of a prompt that the simulation bills in the end."""
        entries = [one for one in self.simulation.ledger.entries if one.prompt == prompt]
        return sum(one.billed_usd(self.simulation.second() + AFTER_ALL_JOBS) > 0 for one in entries)

    def create_count(self, name: str) -> int:
        """Return how many creates a service has received."""
        return self.simulation.requests[name, "create"]


Start = Callable[..., Awaitable[RunningGateway]]


def document_of(simulation: Simulation, **sections: object) -> dict[str, object]:
    """Return a configuration of the simulation with one explicit route over all services."""
    document = client_catalogue(simulation.scenario, simulation.base_urls)
    route: dict[str, object] = {"services": ["a", "b", "c"], "explicit": True}
    route |= dict(sections.pop("route", {}))  # type: ignore[call-overload]  # a test's shorthand
    for upstream, changes in dict(sections.pop("upstreams", {})).items():  # type: ignore[call-overload]
        document["upstreams"][upstream] |= changes  # type: ignore[index]
    return document | {"routes": {"boats": route}, **sections}


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(SCENARIO, "three.yaml")


@pytest.fixture
async def start(
    tmp_path: Path, scenario: Scenario, hurried: Callable[[float], Clock]
) -> AsyncIterator[Start]:
    """Return a function that starts a gateway; each further one shares the database."""
    clock = hurried(SPEED)
    async with AsyncExitStack() as stack:
        simulations: list[Simulation] = []

        async def start(**sections: object) -> RunningGateway:
            if not simulations:
                simulations.append(
                    await stack.enter_async_context(serve_simulation(scenario, speed=SPEED))
                )
            storage = await stack.enter_async_context(
                open_storage(f"sqlite:///{tmp_path / 'history.db'}", clock)
            )
            transport = await stack.enter_async_context(Transport(clock))
            # JSON is YAML.
            text = json.dumps(document_of(simulations[0], **sections), default=str)
            configuration = configuration_of(
                parse_document(text, "test.yaml", tmp_path, {}), tmp_path
            )
            board = Board(storage, clock)
            await board.apply_config(
                configuration.catalogue.services.values(), configuration.verdicts
            )
            store = open_store(configuration.assets, f"sqlite:///{tmp_path / 'history.db'}")
            liveness = open_liveness(storage.connections, storage.clock, lambda: True, _nothing)
            jobs = wire_jobs(board, storage, transport, liveness, clock, TIMING)
            wiring = wire_gateway(
                CurrentConfiguration(configuration),
                GatewayResources(board, storage, transport, store, clock),
                jobs,
            )
            await jobs.followers.beat()
            running = asyncio.create_task(wiring.run())

            async def stop() -> None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

            stack.push_async_callback(stop)
            return RunningGateway(
                simulations[0], clock, storage, board, jobs, wiring, configuration, running, store
            )

        yield start
