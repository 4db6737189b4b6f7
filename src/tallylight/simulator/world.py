"""The state of one simulation: jobs, faults, ledger and random numbers."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallylight.simulator.faults import AnyFault, Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.ledger import SimulatedLedger
from tallylight.simulator.outcomes import (
    FaultInterval,
    active_faults,
    decide_outcome,
    fault_intervals,
    output_of,
    reading_price,
    select_fault,
)
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.scenario import FEED_PATHS, Scenario, ScenarioUpstream
from tallylight.simulator.status_reports import StatusReport, actual_intervals, build_report
from tallylight.simulator.time_scale import ScenarioClock


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A create, after validation.

    Args:
        billed_seconds: Seconds to charge, if not the length of the clip.
        parent: Id of the video that it is made from, "" for none.
        mark: The caller's own id for it, "" for none.
        key: Set when it is accepted.
        is_moderated_first: Its prompt is read before it is accepted; otherwise the job fails.
        answered: False if the caller gets no response.
    """

    service: str
    reading: OrderReading
    billed_seconds: int | None = None
    parent: str = ""
    mark: str = ""
    key: str = ""
    is_moderated_first: bool = False
    answered: bool = True


@dataclass(slots=True)
class Simulation:
    """One running simulation.

    Args:
        base_paths: What follows an upstream's root in its base URL, by protocol.
        base_url: Its root URL, set once it listens.
        refusing_url: A root URL that refuses connections, set at the same time.
        requests: Number of requests by service and operation.
    """

    scenario: Scenario
    clock: ScenarioClock
    seed: int
    base_paths: Mapping[str, str]
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
        """Expand the scheduled faults and seed the random numbers."""
        services = self.scenario.services
        self._script = {name: fault_intervals(service.faults) for name, service in services.items()}
        self._random = random.Random(self.seed)  # noqa: S311  # must be repeatable

    @property
    def base_urls(self) -> Mapping[str, str]:
        """Return the base URL of each upstream."""
        return {
            name: f"{self._root(upstream)}/{name}{self.base_paths[upstream.protocol]}"
            for name, upstream in self.scenario.upstreams.items()
        }

    def _root(self, upstream: ScenarioUpstream) -> str:
        return self.base_url if upstream.listens else self.refusing_url

    @property
    def feed_urls(self) -> Mapping[str, str]:
        """Return the address of each status page, as a client configures it."""
        return {
            name: f"{self.base_url}/status/{name}{FEED_PATHS.get(feed.format, '')}"
            for name, feed in self.scenario.feeds.items()
        }

    def second(self) -> float:
        """Return the current scenario second."""
        return self.clock.second()

    def draw(self) -> float:
        """Draw a random number from 0.0 to 1.0."""
        return self._random.random()

    def random_hex(self, length: int = 24) -> str:
        """Draw random hexadecimal digits, for ids."""
        return f"{self._random.getrandbits(4 * length):0{length}x}"

    def active_faults(self, service: str) -> tuple[AnyFault, ...]:
        """Return the current faults of a service."""
        overrides = self._overrides.get(service, ())
        return active_faults(self._script[service], overrides, self.second())

    def draw_fault(self, service: str, endpoint: Endpoint) -> AnyFault | None:
        """Count a request to a service and draw the fault that affects it, None for none."""
        self.requests[service, endpoint] += 1
        return select_fault(self.active_faults(service), endpoint, self.draw())

    def fault_source(self, service: str) -> str:
        """Return where a service's current faults come from: "script" or "live"."""
        now = self.second()
        live = any(override.contains(now) for override in self._overrides.get(service, ()))
        return "live" if live else "script"

    def override_faults(
        self, service: str, faults: tuple[AnyFault, ...], duration: float | None = None
    ) -> None:
        """Replace a service's faults from now on, for `duration` scenario seconds if given."""
        self.restore_script(service)
        now = self.second()
        end = None if duration is None else now + duration
        self._overrides.setdefault(service, []).append(FaultInterval(now, end, faults))

    def restore_script(self, service: str) -> None:
        """End the current override of a service's faults."""
        now = self.second()
        # Ended overrides are kept: status pages report the past too.
        self._overrides[service] = [
            replace(old, end=now) if old.contains(now) else old
            for old in self._overrides.get(service, ())
            if old.start < now
        ]

    def status_report(self, feed: str) -> StatusReport:
        """Return what a status page reports now."""
        intervals = {
            name: actual_intervals(self._script[name], self._overrides.get(name, ()))
            for name in self.scenario.services_on_feed(feed)
        }
        return build_report(self.scenario, feed, intervals, self.second())

    def accept_job(self, request: JobRequest, fault: AnyFault | None, job_id: str) -> SimulatedJob:
        """Accept a job: decide its outcome and record it in the ledger."""
        service = self.scenario.services[request.service]
        reading = request.reading
        requested = output_of(reading)
        second = self.second()
        job = SimulatedJob(
            id=job_id,
            service=request.service,
            upstream=service.upstream,
            reading=reading,
            outcome=decide_outcome(service, requested, reading.prompt, fault, self.draw()),
            accepted_at=second,
            created_at=int(self.clock.unix_time(second)),
            price=reading_price(service.price, reading, request.billed_seconds),
            billing=service.billing,
            parent=request.parent,
            mark=request.mark,
            key=request.key,
            answered=request.answered,
        )
        self.jobs[job_id] = job
        self.ledger.record(job)
        return job

    def file_url(self, job: SimulatedJob, index: int = 0) -> str:
        """Return the public URL of one output of a completed job."""
        suffix = "mp4" if job.requested.seconds else "png"
        return f"{self.base_url}/{job.upstream}/files/{job.id}/{index}.{suffix}"
