"""A board, a database and the probes, beside a simulated world over real HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.app.job_wiring import JobWiring, wire_jobs, wire_probes
from tallylight.board import Board
from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import BillingBasis, Feed, Service
from tallylight.clock import Clock
from tallylight.documents.secret import Secret
from tallylight.jobs.submit import CreateTiming
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import AttemptId, ProviderId, ServiceId, UpstreamId
from tallylight.model.ledger import LedgerEntry
from tallylight.model.money import Budget, Price, PriceUnit
from tallylight.model.order import Medium
from tallylight.model.status import Access
from tallylight.probes.feed_detection import FeedDetector
from tallylight.probes.feeds import FeedPoller
from tallylight.probes.paid_probes import PaidProbeRunner
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.scenario import Billing, Scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.processes import FileLiveness, open_liveness
from tallylight.storage.transaction import Write, Written
from tallylight.upstreams.transport import Transport
from tallylight.verdicts.options import PolicyOptions
from tests.builders import SERVICE, SHEET, UPSTREAM, order_of

SPEED = 50.0  # seconds of our clock and of the simulation per real second
LATER = 100_000.0  # seconds after which every job of the simulation has ended

FaultSpec = Mapping[str, object]
Start = Callable[..., Awaitable["ProbeEnvironment"]]


@dataclass(slots=True)
class ProbeEnvironment:
    """One process that sends probes, and the simulation that it probes."""

    world: Simulation
    clock: Clock
    history: Storage
    transport: Transport
    board: Board
    jobs: JobWiring
    paid_probes: PaidProbeRunner
    prober: Prober
    feeds: FeedPoller
    services: Mapping[str, Service]
    following: asyncio.Task[None]
    restart: Callable[..., Awaitable["ProbeEnvironment"]]
    """Returns another process on the same database."""

    def set_faults(self, name: str, *faults: FaultSpec) -> None:
        """Give a service of the simulation these faults from now on."""
        self.world.override_faults(
            name, tuple(FAULT_ADAPTER.validate_python(one) for one in faults)
        )

    async def generate(self, name: str) -> Evidence:
        """Send a paid probe and return its evidence."""
        return await self.prober.probe(self.services[name], Depth.GENERATION)

    async def kill(self) -> None:
        """Stop like a kill -9: nothing more is recorded, and only the lock of the file ends."""
        followers = self.jobs.followers
        liveness = followers._liveness
        assert isinstance(liveness, FileLiveness)
        self.history.group_commit.write = _never  # type: ignore[method-assign, assignment]
        liveness.close = _nothing  # type: ignore[method-assign]
        for tracked in followers._tracked.values():
            tracked.is_sending = False
        tasks = (self.following, *followers._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        liveness._release()

    async def attempt(self) -> Attempt:
        """Return the only paid attempt, as it is stored."""
        (entry,) = await self.history.ledger.entries()
        found = await self.history.attempts.get(AttemptId(entry.id))
        assert found is not None
        return found

    async def entries(self, name: str) -> tuple[LedgerEntry, ...]:
        """Return our ledger entries of one service."""
        entries = await self.history.ledger.entries()
        return tuple(entry for entry in entries if entry.service == name)

    async def outcomes(self, name: str) -> list[Evidence]:
        """Return the stored evidence of the ends of paid probes of one service."""
        found = await self.history.evidence(ServiceId(name))
        return [piece for piece in found if piece.source is Source.GENERATION]

    async def wait_for_requests(self, name: str, endpoint: str, times: int = 2) -> None:
        """Wait until an endpoint of the simulation has had this many requests."""
        async with asyncio.timeout(60):
            # The server has no event to wait for, and its time is real.
            while self.world.requests[name, endpoint] < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # noqa: TID251

    async def check_ledgers(self) -> None:
        """Compare our ledger with the simulation's: no order sent twice, no cost underestimated."""
        statement = self.world.ledger.as_json(self.world.second() + LATER)
        assert all(total["jobs"] == 1 for total in statement["by_prompt"].values())
        for name in self.services:
            ours = await self.entries(name)
            total = statement["by_service"].get(name, {"jobs": 0, "billed_usd": 0.0})
            assert self.world.requests[name, "create"] <= len(ours)
            assert total["jobs"] <= len(ours)
            billed = Decimal(str(total["billed_usd"]))
            assert sum(entry.amount or 0 for entry in ours) >= round(billed, 6)


async def _never(_: Write) -> Written:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


async def _nothing() -> None:
    pass


_TIMING = CreateTiming(send_within=timedelta(minutes=3), shortest_timeout=timedelta(minutes=1))
"""On a clock of this speed a busy machine does not send within 5 s."""


def service_of(  # noqa: PLR0913  # each has its default
    world: Simulation,
    name: str,
    *,
    bills: BillingBasis = BillingBasis.DELIVERIES,
    budget: Budget | None = None,
    timeout: float = 3.0,
    job_timeout: float = 3600.0,
    dialect: str = "",
    base_url: str = "",
) -> Service:
    """Return a service of the simulation as the catalogue type."""
    part = world.scenario.services[name]
    seller = world.scenario.upstreams[part.upstream]
    feed = None
    if seller.feed is not None:
        form = world.scenario.feeds[seller.feed].format
        feed = Feed(form, world.feed_urls[seller.feed], part.component)
    seconds = part.lengths[0] if part.lengths else 0
    upstream = replace(
        UPSTREAM,
        id=UpstreamId(part.upstream),
        provider=ProviderId(seller.provider),
        base_url=base_url or world.base_urls[part.upstream],
        protocol=seller.protocol,
        dialect=dialect or seller.dialect,
        key=Secret(seller.keys[0].key),
        timeout=timedelta(seconds=timeout),
        job_timeout=timedelta(seconds=job_timeout),
        feed=feed,
        bills=bills,
    )
    sheet = replace(
        SHEET,
        provider=upstream.provider,
        model=part.model,
        title=part.name,
        medium=Medium(part.medium),
        access=Access(part.access),
        protocol=seller.protocol,
        modes=short_modes(part.lengths, part.sizes),
        price=Price(PriceUnit(part.price.unit), dict(part.price.rates)),
    )
    return replace(
        SERVICE,
        id=ServiceId(name),
        name=part.name,
        upstream=upstream,
        model=part.model,
        access=sheet.access,
        sheet=sheet,
        budget=budget or Budget(),
        probe_order=order_of(
            "A paper boat drifts across a pond.", seconds, part.sizes[0], model=part.model
        ),
    )


def _billed_as(scenario: Scenario, billing: Billing) -> Scenario:
    services = {
        name: part.model_copy(update={"billing": billing})
        for name, part in scenario.services.items()
    }
    return scenario.model_copy(update={"services": services})


@pytest.fixture
async def start(tmp_path: Path, hurried: Callable[[float], Clock]) -> AsyncIterator[Start]:
    """Return a function that opens an environment: `start("sora-2-official", bills=…, …)`."""
    async with AsyncExitStack() as stack:

        async def start(
            *names: str,
            billing: Billing = Billing.REFUNDS_FAILURES,
            total: Budget | None = None,
            speed: float = SPEED,
            scenario: Scenario | None = None,
            **options: object,
        ) -> ProbeEnvironment:
            scenario = _billed_as(scenario or load_scenario("calm"), billing)
            world = await stack.enter_async_context(serve_simulation(scenario, speed=speed))
            clock = hurried(speed)
            services = {name: service_of(world, name, **options) for name in names}  # type: ignore[arg-type]

            async def restart(*, is_leader: bool = True, follows: bool = True) -> ProbeEnvironment:
                return await stack.enter_async_context(
                    _process(
                        world,
                        clock,
                        f"sqlite:///{tmp_path / 'history.db'}",
                        services,
                        total or Budget(),
                        is_leader=is_leader,
                        follows=follows,
                        restart=restart,
                    )
                )

            return await restart()

        yield start


@asynccontextmanager
async def _process(  # noqa: PLR0913  # what a process needs
    world: Simulation,
    clock: Clock,
    database_url: str,
    services: Mapping[str, Service],
    total: Budget,
    *,
    is_leader: bool,
    follows: bool,
    restart: Callable[..., Awaitable[ProbeEnvironment]],
) -> AsyncIterator[ProbeEnvironment]:
    async with open_storage(database_url, clock) as history, Transport(clock) as transport:
        board_storage = history if is_leader else ReadOnlyStorage(history)
        board = Board(board_storage, clock, is_leader=is_leader)
        await board.apply_config(services.values(), PolicyOptions())
        liveness = open_liveness(history.connections, history.clock, lambda: True, _nothing)
        jobs = wire_jobs(board, history, transport, liveness, clock, _TIMING)
        paid_probes = wire_probes(jobs, lambda: total)
        await jobs.followers.register()
        following = asyncio.create_task(jobs.followers.run() if follows else _nothing())
        yield ProbeEnvironment(
            world,
            clock,
            history,
            transport,
            board,
            jobs,
            paid_probes,
            Prober(board, transport, paid_probes, clock, ProbeTiming),
            FeedPoller(board, transport, clock, FeedDetector(transport, clock)),
            services,
            following,
            restart,
        )
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
