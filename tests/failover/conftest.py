"""A gateway of one process beside a simulated world over real HTTP, in a hurry."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.app.gateway_wiring import GatewayWiring, wire_gateway
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
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.ids import VideoId
from tallylight.model.video import Video
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.scenario import Scenario, ScenarioKey, parse_scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transaction import WriteBatch
from tallylight.upstreams.transport import Transport

SPEED = 20.0  # seconds of the house and of the world to a real one
LATER = 100_000.0  # seconds after which every job of the world has met its fate

WORLD = """
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
class Studio:
    """A gateway at work, and the world that it meets."""

    world: Simulation
    clock: Clock
    history: Storage
    board: Board
    switchboard: GatewayWiring
    configuration: Configuration
    running: asyncio.Task[None]

    @property
    def store(self) -> AssetStore:
        """Return where content and references are kept."""
        return self.switchboard._assets

    @property
    def assets(self) -> Path:
        """Return the folder of that."""
        assert isinstance(self.store, DirectoryStore)
        return self.store._root

    async def die(self) -> None:
        """Stop as a kill -9 does: nothing more is written, no lease is given back."""
        crew = self.switchboard._leases
        self.running.cancel()
        following = tuple(crew._tasks.values())
        for task in following:
            task.cancel()
        crew.owner = "dead"
        await asyncio.gather(self.running, *following, return_exceptions=True)

    async def die_asking(self, name: str) -> None:
        """Die while a service is asked that takes the job and does not answer."""
        self.trouble(name, {"kind": "hang", "accepts": True})
        asking = asyncio.create_task(self.create())
        while not self.creates(name):  # a server tells no event
            await self.clock.sleep(timedelta(seconds=1))
        await self.die()
        asking.cancel()
        self.trouble(name)

    async def die_after(self, writings: int) -> None:
        """Die once so many writings are durable, and before the next one is."""
        journal, write = self.history.group_commit, self.history.group_commit.write
        written, enough = 0, asyncio.Event()

        async def counted(batch: WriteBatch) -> bool:
            nonlocal written
            if enough.is_set():
                await asyncio.Event().wait()
            is_ours = await write(batch)
            written += 1
            if written == writings:
                enough.set()
            return is_ours

        journal.write = counted  # type: ignore[method-assign]  # the real one, counted
        await enough.wait()
        await self.die()

    async def renew_key(self, upstream: str, key: str) -> None:
        """Let an upstream know another key alone, and reload a configuration that has it."""
        known = self.world.scenario.upstreams
        part = known[upstream].model_copy(update={"keys": (ScenarioKey(key=key),)})
        changed = {"upstreams": {**known, upstream: part}}
        self.world.scenario = self.world.scenario.model_copy(update=changed)
        services = [
            replace(each, upstream=replace(each.upstream, key=Secret(key)))
            if each.upstream.id == upstream
            else each
            for each in self.configuration.catalogue.services.values()
        ]
        await self.board.apply_config(services, self.configuration.verdicts)

    def trouble(self, name: str, *troubles: Mapping[str, object]) -> None:
        """Trouble a service of the world from now on."""
        self.world.override_faults(
            name, tuple(FAULT_ADAPTER.validate_python(one) for one in troubles)
        )

    async def create(self, prompt: str = "a paper boat", **options: object) -> Video:
        """Ask for a video, as any caller."""
        ask = CreateRequest(model="boats", prompt=prompt, fingerprint=prompt)
        return await self.switchboard.gateway.create(
            replace(ask, **options),  # type: ignore[arg-type]  # a test's shorthand
            ANONYMOUS,
        )

    async def ended(self, video: Video | VideoId) -> Video:
        """Return a video once it has an end; fail if that never comes."""
        id_ = video.id if isinstance(video, Video) else video
        async with asyncio.timeout(60):
            while True:
                found = await self.switchboard.gateway.wait_for_change(
                    id_, ANONYMOUS, timedelta(seconds=5)
                )
                if found.is_terminal:
                    return found

    async def left_alone(self, video: Video) -> None:
        """Return once nothing more is done for a video: its caller hears of the end first."""
        async with asyncio.timeout(60):
            while self.switchboard._leases.tracked(video.id) is not None:
                await self.clock.sleep(timedelta(seconds=1))

    async def attempts(self, video: Video) -> Sequence[Attempt]:
        """Return what was sent for a video."""
        return await self.history.attempts.for_video(video.id)

    async def tried(self, video: Video) -> list[tuple[str, AttemptState]]:
        """Return whom it was sent to, and what became of that."""
        return [(str(each.service), each.state) for each in await self.attempts(video)]

    def deliveries(self, prompt: str) -> int:
        """Return for how many videos of a prompt the world took money, once all is over."""
        entries = [one for one in self.world.ledger.entries if one.prompt == prompt]
        return sum(one.billed_usd(self.world.second() + LATER) > 0 for one in entries)

    def creates(self, name: str) -> int:
        """Return how many creates a service of the world has seen."""
        return self.world.requests[name, "create"]


Start = Callable[..., Awaitable[Studio]]


def document_of(world: Simulation, **sections: object) -> dict[str, object]:
    """Return a configuration of the world with one explicit route over all of it."""
    document = client_catalogue(world.scenario, world.base_urls)
    route: dict[str, object] = {"services": ["a", "b", "c"], "explicit": True}
    route |= dict(sections.pop("route", {}))  # type: ignore[call-overload]  # a test's shorthand
    for upstream, changes in dict(sections.pop("upstreams", {})).items():  # type: ignore[call-overload]
        document["upstreams"][upstream] |= changes  # type: ignore[index]
    return document | {"routes": {"boats": route}, **sections}


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(WORLD, "three.yaml")


@pytest.fixture
async def start(
    tmp_path: Path, scenario: Scenario, hurried: Callable[[float], Clock]
) -> AsyncIterator[Start]:
    """Give what opens a gateway beside a world; called again, a second one on the same history."""
    clock = hurried(SPEED)
    async with AsyncExitStack() as stack:
        worlds: list[Simulation] = []

        async def start(**sections: object) -> Studio:
            if not worlds:
                worlds.append(
                    await stack.enter_async_context(serve_simulation(scenario, speed=SPEED))
                )
            history = await stack.enter_async_context(
                open_storage(f"sqlite:///{tmp_path / 'history.db'}", clock)
            )
            transport = await stack.enter_async_context(Transport(clock))
            # JSON is YAML.
            text = json.dumps(document_of(worlds[0], **sections), default=str)
            configuration = configuration_of(
                parse_document(text, "test.yaml", tmp_path, {}), tmp_path
            )
            board = Board(history, clock)
            await board.apply_config(
                configuration.catalogue.services.values(), configuration.verdicts
            )
            store = open_store(configuration.assets, f"sqlite:///{tmp_path / 'history.db'}")
            switchboard = wire_gateway(configuration, board, history, transport, store, clock)
            running = asyncio.create_task(switchboard.run())

            async def stop() -> None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

            stack.push_async_callback(stop)
            return Studio(worlds[0], clock, history, board, switchboard, configuration, running)

        yield start
