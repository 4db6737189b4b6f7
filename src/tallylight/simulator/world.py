"""The live state of a simulated world: jobs, troubles, books, chance."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tallylight.simulator.faults import AnyFault, Endpoint
from tallylight.simulator.ledger import BilledJob, SimulatedLedger
from tallylight.simulator.outcomes import (
    FaultInterval,
    JobOutcome,
    JobProgress,
    OutputSpec,
    active_faults,
    decide_outcome,
    fault_intervals,
    progress_at,
    select_fault,
    video_price,
)
from tallylight.simulator.scenario import Scenario, ScenarioKey, ScenarioService
from tallylight.simulator.status_reports import StatusReport, actual_intervals, build_report
from tallylight.simulator.time_scale import ScenarioClock


@dataclass(frozen=True, slots=True)
class SimulatedJob:
    """An accepted job.

    Args:
        id: Its id on the wire.
        service: Who makes it.
        upstream: Where.
        prompt: The text.
        asked: What was asked for.
        fate: What becomes of it.
        accepted_at: Seconds since the scenario's start.
        created_at: The same in Unix seconds.
        parent: The video that it was made from by a remix, "" for none.
        owner: The key that created it.
        reference: What it begins from: "image/png, 120 bytes", or an address; "" for nothing.
    """

    id: str
    service: str
    upstream: str
    prompt: str
    requested: OutputSpec
    outcome: JobOutcome
    accepted_at: float
    created_at: int
    parent: str = ""
    key: str = ""
    reference: str = ""

    def progress_at(self, second: float) -> JobProgress:
        """Return where it stands at a second."""
        return progress_at(self.outcome, second - self.accepted_at)

    @property
    def ends_at(self) -> float | None:
        """Return the second of its end, None if it never ends."""
        return None if self.outcome.duration is None else self.accepted_at + self.outcome.duration


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a create asks of a service.

    Args:
        service: Whose model.
        prompt: The text.
        size: The picture's size.
        seconds: The clip's length, 0 for a still image.
        model: The id that the caller used.
        billed_seconds: What is charged, where that is not the clip's length.
        parent: The video that it is made from.
        owner: The caller's key.
        answered: False if the caller is never told.
        reference: As in `Job`.
    """

    service: str
    prompt: str
    size: str
    seconds: int
    model: str
    billed_seconds: int | None = None
    parent: str = ""
    key: str = ""
    answered: bool = True
    reference: str = ""


class FaultSource(StrEnum):
    """Who writes a service's troubles."""

    SCRIPT = "script"
    LIVE = "live"


@dataclass(slots=True)
class Simulation:
    """One running simulation.

    Args:
        scenario: The script.
        pace: Its clock.
        seed: Where chance begins.
        base_url: Its address, known once it listens.
        empty_url: An address at which nobody listens, known then too.
    """

    scenario: Scenario
    clock: ScenarioClock
    seed: int
    base_url: str = ""
    refusing_url: str = ""
    ledger: SimulatedLedger = field(default_factory=SimulatedLedger)
    jobs: dict[str, SimulatedJob] = field(default_factory=dict)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _random: random.Random = field(init=False)
    _script: Mapping[str, tuple[FaultInterval, ...]] = field(init=False)
    _overrides: dict[str, list[FaultInterval]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Unroll the script and set chance to its beginning."""
        services = self.scenario.services
        self._script = {name: fault_intervals(service.faults) for name, service in services.items()}
        self._random = random.Random(self.seed)  # noqa: S311  # to be repeatable is its purpose

    @property
    def base_urls(self) -> Mapping[str, str]:
        """Return the address of each upstream, with the path that clients append to."""
        return {
            name: f"{self.base_url if upstream.listens else self.refusing_url}/{name}/v1"
            for name, upstream in self.scenario.upstreams.items()
        }

    @property
    def feed_urls(self) -> Mapping[str, str]:
        """Return the root of each status page."""
        return {name: f"{self.base_url}/status/{name}" for name in self.scenario.feeds}

    def second(self) -> float:
        """Return the seconds since the scenario's start."""
        return self.clock.second()

    def draw(self) -> float:
        """Draw from 0.0 to 1.0."""
        return self._random.random()

    def random_hex(self, length: int = 24) -> str:
        """Draw the random part of an id."""
        return f"{self._random.getrandbits(4 * length):0{length}x}"

    def active_faults(self, service: str) -> tuple[AnyFault, ...]:
        """Return what troubles a service now."""
        overrides = self._overrides.get(service, ())
        return active_faults(self._script[service], overrides, self.second())

    def draw_fault(self, service: str, endpoint: Endpoint) -> AnyFault | None:
        """Draw which trouble strikes a request to a service, None for none."""
        self.requests[service, endpoint] += 1
        return select_fault(self.active_faults(service), endpoint, self.draw())

    def fault_source(self, service: str) -> FaultSource:
        """Tell who writes a service's troubles now."""
        now = self.second()
        live = any(override.contains(now) for override in self._overrides.get(service, ()))
        return FaultSource.LIVE if live else FaultSource.SCRIPT

    def override_faults(
        self, service: str, faults: tuple[AnyFault, ...], duration: float | None = None
    ) -> None:
        """Replace a service's troubles from now on, for some seconds or until told otherwise."""
        self.restore_script(service)
        now = self.second()
        end = None if duration is None else now + duration
        self._overrides.setdefault(service, []).append(FaultInterval(now, end, faults))

    def restore_script(self, service: str) -> None:
        """Give a service back to its script."""
        now = self.second()
        self._overrides[service] = [
            replace(old, end=now) if old.contains(now) else old
            for old in self._overrides.get(service, ())
            if old.start < now
        ]

    def status_report(self, feed: str) -> StatusReport:
        """Return what a status page says now."""
        lives = {
            name: actual_intervals(self._script[name], self._overrides.get(name, ()))
            for name in self.scenario.services_on_feed(feed)
        }
        return build_report(self.scenario, feed, lives, self.second())

    def accept_job(self, request: JobRequest, fault: AnyFault | None, job_id: str) -> SimulatedJob:
        """Accept a job: settle its fate and write it into the books."""
        service = self.scenario.services[request.service]
        wanted = OutputSpec(request.model, request.size, request.seconds)
        second = self.second()
        job = SimulatedJob(
            id=job_id,
            service=request.service,
            upstream=service.upstream,
            prompt=request.prompt,
            requested=wanted,
            outcome=decide_outcome(service, wanted, request.prompt, fault, self.draw()),
            accepted_at=second,
            created_at=int(self.clock.unix_time(second)),
            parent=request.parent,
            key=request.key,
            reference=request.reference,
        )
        self.jobs[job_id] = job
        self.ledger.record(_billed_job(job, service, request))
        return job

    def job(self, upstream: str, job_id: str) -> SimulatedJob | None:
        """Return an upstream's job by its id."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.upstream == upstream else None

    def find_key(self, upstream: str, key: str) -> ScenarioKey | None:
        """Return what an upstream knows of a key."""
        known = self.scenario.upstreams[upstream].keys
        return next((one for one in known if one.key == key), None)

    def find_service(self, upstream: str, model: str, key: ScenarioKey) -> str | None:
        """Return the service that a key may use under a model's name."""
        for name, service in self.services_for_key(upstream, key).items():
            if model in service.wire_names:
                return name
        return None

    def services_for_key(self, upstream: str, key: ScenarioKey) -> Mapping[str, ScenarioService]:
        """Return the services that a key may use."""
        sold = self.scenario.services_at(upstream)
        if key.services is None:
            return sold
        return {name: service for name, service in sold.items() if name in key.services}


def _billed_job(job: SimulatedJob, service: ScenarioService, request: JobRequest) -> BilledJob:
    seconds = request.seconds if request.billed_seconds is None else request.billed_seconds
    return BilledJob(
        service=job.service,
        upstream=job.upstream,
        job=job.id,
        prompt=job.prompt,
        price=video_price(service.price, request.size, seconds),
        billing=service.billing,
        outcome=job.outcome,
        accepted_at=job.accepted_at,
        accepted_at_unix=job.created_at,
        answered=request.answered,
    )
