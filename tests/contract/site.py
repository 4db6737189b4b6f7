"""One simulated service, and all that a client does with it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from tallylight.catalogue.choices import Mismatch
from tallylight.catalogue.fit import Expressible, Fitted, fit
from tallylight.catalogue.services import Service, Upstream
from tallylight.catalogue.wording import wording_for
from tallylight.clock import SystemClock
from tallylight.config.settings import load_configuration
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input, Medium, Operation, Order, Role
from tallylight.model.wish import Wish
from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.upstreams.acceptance import Submission
from tallylight.upstreams.client import Ran, RequestSender, UpstreamClient, run_flow
from tallylight.upstreams.download import ResultFetcher
from tallylight.upstreams.protocol import Adapter, Doubt, Flow
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.steps import Accepted, Done, Failed, Listed, Missing, Page, Step, Trouble
from tallylight.upstreams.time_limits import SendBudget
from tallylight.upstreams.transport import Transport
from tests.contract.flows import FILM
from tests.contract.services import SCENARIO, plain_wish

CLOCK = SystemClock()
PAUSE = timedelta(milliseconds=10)
LIMIT_BYTES = 100_000_000

_T = TypeVar("_T")
_numbers = count(1)
_NONCE = "5f0a"


def new_mark() -> str:
    """Return a mark that no other create has."""
    return f"vid_{next(_numbers)}.1_{_NONCE}"


@dataclass(slots=True)
class Place:
    """A running scenario, and our configuration of it."""

    world: Simulation
    services: Mapping[str, Service]
    transport: Transport

    def site(self, name: str) -> "Site":
        """Return a client of one service, whose prompt nobody else has."""
        prompt = f"paper boat number {next(_numbers)}"
        return Site(self.world, self.services[name], self.transport, prompt, new_mark())


@asynccontextmanager
async def running_place(speed: float) -> AsyncIterator[Place]:
    """Serve the scenario, and yield it with the configuration that it gives its clients."""
    async with serve_simulation(SCENARIO, speed=speed) as world, Transport(CLOCK) as transport:
        document = client_catalogue(world.scenario, world.base_urls)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "tallylight.yaml"
            path.write_text(json.dumps(document), encoding="utf-8")  # before all
            catalogue = load_configuration(path, {}).catalogue
        yield Place(world, {str(id_): each for id_, each in catalogue.services.items()}, transport)


@dataclass(slots=True)
class Site:
    """One service of a running scenario, and a client of it.

    Args:
        prompt: Of all orders; it tells the jobs of one test from others.
        mark: Of all creates.
    """

    world: Simulation
    service: Service
    transport: Transport
    prompt: str
    mark: str

    @property
    def upstream(self) -> Upstream:
        """Return the upstream as it is configured."""
        return self.service.upstream

    @property
    def adapter(self) -> Adapter:
        """Return what speaks to it."""
        return adapter_for(self.upstream)

    @property
    def client(self) -> UpstreamClient:
        """Return what sends."""
        return UpstreamClient(self.transport)

    @property
    def jobs(self) -> list[SimulatedJob]:
        """Return all jobs that the twin has accepted for this client, oldest first."""
        return [each for each in self.world.ledger.entries if each.prompt == self.prompt]

    @property
    def billed(self) -> Decimal:
        """Return what the twin has billed for them up to now."""
        now = self.world.second()
        return sum((each.billed_usd(now) for each in self.jobs), Decimal(0))

    @property
    def can(self) -> Expressible:
        """Return what the protocol can express for the service's model."""
        adapter = self.adapter
        features = adapter.features
        wording = wording_for(features.wordings, self.service.model)
        has_characters = adapter.create_character is not None
        return Expressible(
            features.operations,
            features.inputs,
            has_characters,
            wording,
            features.derives_from_jobs,
        )

    def at(self, **more: object) -> "Site":
        """Return a client of the same service with other settings of the upstream."""
        upstream = replace(self.upstream, **more)  # type: ignore[arg-type]  # fields of an upstream
        return replace(self, service=replace(self.service, upstream=upstream))

    def hurried(self, seconds: float = 0.3) -> "Site":
        """Return a client of the same service that waits for a short time only."""
        limit = timedelta(seconds=seconds)
        return self.at(timeout=limit, job_timeout=limit)

    def with_key(self, key: ScenarioKey) -> "Site":
        """Return a client of the same service with another key of the scenario."""
        twin = TWINS[self.upstream.protocol]
        settings = twin.client_settings(key, self.upstream.base_url)
        options = PROTOCOLS[self.upstream.protocol].options
        return self.at(
            key=Secret(str(settings["key"])),
            options=options.model_validate(settings.get("options", {})),
        )

    def trouble(self, *faults: Mapping[str, object], **fault: object) -> None:
        """Let faults strike the service from now on; none ends them."""
        several = (*faults, fault) if fault else faults
        found = tuple(FAULT_ADAPTER.validate_python(each) for each in several)
        self.world.override_faults(str(self.service.id), found)

    def fitted(self, wish: Wish | None = None) -> Fitted | Mismatch:
        """Return the order for a wish."""
        return fit(wish or plain_wish(self.service, self.prompt), self.service, self.can)

    def order(self, wish: Wish | None = None) -> Order:
        """Return the order for a wish that fits."""
        found = self.fitted(wish)
        assert isinstance(found, Fitted), found
        return found.order

    def derived_order(self, operation: Operation, source: str) -> Order:
        """Return an order that works on the film of an earlier job, by its id or by its bytes."""
        if self.adapter.features.derives_from_jobs:
            return replace(self.order(), operation=operation, source=source, inputs=())
        return replace(self.order(), operation=operation, inputs=(FILM,))

    def order_with_character(self, character: str) -> Order:
        """Return an order in which a character appears."""
        return replace(self.order(), characters=(character,))

    async def character(self, name: str) -> str | Failure:
        """Create a character."""
        film = Input(body=b"mp4", media_type="video/mp4", role=Role.SOURCE, medium=Medium.VIDEO)
        return await self.client.create_character(name, film, self.upstream)

    async def create(self, order: Order | None = None) -> Submission:
        """Send the one paid request of an order."""
        order = await self.uploaded(order or self.order())
        request = self.adapter.submit(order, self.mark)
        limit = self.upstream.timeout
        budget = SendBudget(CLOCK.boottime(), limit, limit)
        if self.adapter.reader is None:
            return await self.client.create(request, order, self.upstream, budget)
        async with self.client.stream(request, self.upstream, budget) as stream:
            async for _ in stream:
                pass
            return stream.result(order)

    async def uploaded(self, order: Order) -> Order:
        """Return an order whose inputs were handed over."""
        found = await self.client.upload_inputs(order, self.upstream)
        assert isinstance(found, Order), found
        return found

    async def accepted(self, order: Order | None = None) -> Accepted:
        """Return the job of a create that is accepted."""
        found = await self.create(order)
        assert isinstance(found, Accepted), found
        return found

    async def poll(self, job: JobRef) -> Step:
        """Ask for a job once."""
        return await self.client.poll(job, self.upstream)

    async def end(self, accepted: Accepted) -> Done | Failed | Missing | Trouble:
        """Ask for a job until an answer says something else than that it works on it."""
        step: Step = accepted.step
        while not isinstance(step, Done | Failed | Missing | Trouble):
            await CLOCK.sleep(PAUSE)
            step = await self.poll(accepted.job)
        return step

    async def delivered(self, order: Order | None = None) -> tuple[JobRef, Done]:
        """Return a job that has made what was ordered."""
        accepted = await self.accepted(order)
        done = await self.end(accepted)
        assert isinstance(done, Done), done
        return done.job or accepted.job, done

    async def fetch(
        self, job: JobRef, done: Done, target: Path, patience: timedelta = timedelta()
    ) -> str | Failure:
        """Download a result."""
        fetcher = ResultFetcher(self.transport, CLOCK)
        return await fetcher.fetch(job, done, self.service, target, LIMIT_BYTES, patience)

    async def listed(self, order: Order | None = None) -> list[Listed]:
        """Return all rows of the list in which the job of an order in doubt would be."""
        rows: list[Listed] = []
        cursor = ""
        while True:
            doubt = Doubt(order or self.order(), self.mark)
            page = await self.client.find(doubt, cursor, self.upstream)
            assert isinstance(page, Page), page
            rows += page.jobs
            cursor = page.cursor
            if not cursor:
                return rows

    async def run(self, flow: Flow[_T]) -> Ran[_T]:
        """Drive a flow."""
        return await self.drive(flow, self.transport)

    async def drive(self, flow: Flow[_T], sender: RequestSender) -> Ran[_T]:
        """Drive a flow by another sender."""
        return await run_flow(flow, self.upstream, sender)
