"""What every simulated upstream does, whatever its protocol: keys, faults, jobs, money.

It knows no path and no word of a protocol. A handler calls it, and renders what it returns; what it
raises is rendered by `exchange`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.requests import Request

from tallylight.simulator.faults import (
    AnyFault,
    Endpoint,
    Hang,
    IncompleteList,
    NamedState,
    Refuse,
    Reset,
    Retire,
)
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import (
    JobFailure,
    JobProgress,
    JobStatus,
    is_blocked_content,
    is_expired,
    is_listed,
    is_result_late,
)
from tallylight.simulator.refusals import (
    DroppedConnectionError,
    ExpiredKeyError,
    NamedStateError,
    NoAnswerError,
    NoContentError,
    NotReadyError,
    ResultLateError,
    ScriptedRefusalError,
    UnknownJobError,
    UnknownKeyError,
    UnknownModelError,
    UnknownPathError,
)
from tallylight.simulator.scenario import ScenarioKey, ScenarioService, ScenarioUpstream
from tallylight.simulator.world import JobRequest, Simulation


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and the faults that strike its response."""

    request: Request
    faults: list[AnyFault] = field(default_factory=list)


class Kernel:
    """One simulated upstream."""

    def __init__(self, world: Simulation, upstream: str) -> None:
        self.world = world
        self.upstream = upstream

    @property
    def settings(self) -> ScenarioUpstream:
        """Return the upstream's section of the scenario."""
        return self.world.scenario.upstreams[self.upstream]

    @property
    def url(self) -> str:
        """Return the base URL of the API."""
        return self.world.base_urls[self.upstream]

    def find_key(self, given: str) -> ScenarioKey | None:
        """Return a key of the scenario, None for an unknown one."""
        return next((known for known in self.settings.keys if known.key == given), None)

    def authenticate(self, given: str) -> ScenarioKey:
        """Return the caller's key; raise for an unknown or expired one."""
        known = self.find_key(given)
        if known is None:
            raise UnknownKeyError(given)
        if known.state == "expired":
            raise ExpiredKeyError(given)
        return known

    def services(self, key: ScenarioKey) -> Mapping[str, ScenarioService]:
        """Return the services that a key may use, by id."""
        services = self.world.scenario.services_at(self.upstream)
        if key.services is None:
            return services
        return {name: service for name, service in services.items() if name in key.services}

    def service(self, name: str) -> ScenarioService:
        """Return a service by its id."""
        return self.world.scenario.services[name]

    def find_service(self, model: str, key: ScenarioKey) -> str:
        """Return the id of the service that sells a model to a key; raise if none does."""
        for name, service in self.services(key).items():
            if model in service.wire_names:
                return name
        raise UnknownModelError(model)

    def listed_models(self, key: ScenarioKey) -> list[str]:
        """Return the model ids that a key may use and that are not retired."""
        return [
            wire_name
            for name, service in self.services(key).items()
            if is_listed(self.world.active_faults(name))
            for wire_name in service.wire_names
        ]

    def is_offered(self, model: str) -> bool:
        """Tell whether any key may use a model that is not retired."""
        return any(
            model in service.wire_names and is_listed(self.world.active_faults(name))
            for name, service in self.world.scenario.services_at(self.upstream).items()
        )

    def check(self, exchange: Exchange, endpoint: Endpoint = Endpoint.CHECK) -> None:
        """Let the faults of all services strike a request that names none of them."""
        for name in self.world.scenario.services_at(self.upstream):
            self._strike(exchange, self.world.draw_fault(name, endpoint))

    def create(
        self, exchange: Exchange, key: ScenarioKey, order: JobRequest, job_id: str
    ) -> SimulatedJob:
        """Accept a job, unless the balance, a fault or the prompt's content forbids it."""
        if key.state == "exhausted":
            raise NamedStateError(NamedState.QUOTA)
        order = replace(order, key=key.key)
        fault = self.world.draw_fault(order.service, Endpoint.CREATE)
        if isinstance(fault, Hang | Reset | Refuse):
            if fault.accepts:
                self.world.accept_job(replace(order, answered=False), None, job_id)
        elif order.is_moderated_first and is_blocked_content(
            self.service(order.service), order.reading.prompt
        ):
            raise NamedStateError(NamedState.CONTENT_REJECTED)
        self._strike(exchange, fault, order.reading.model)
        return self.world.accept_job(order, fault, job_id)

    def find_job(self, job_id: str) -> SimulatedJob:
        """Return a job of this upstream; raise for an unknown id."""
        job = self.world.jobs.get(job_id)
        if job is None or job.upstream != self.upstream:
            raise UnknownJobError(job_id)
        return job

    def find_mark(self, key: ScenarioKey, mark: str) -> SimulatedJob | None:
        """Return the job to which a caller gave an id of its own, None for none."""
        jobs = (job for job in self.world.jobs.values() if job.upstream == self.upstream)
        return next((job for job in jobs if (job.key, job.mark) == (key.key, mark)), None)

    def job(self, exchange: Exchange, job_id: str, endpoint: Endpoint) -> SimulatedJob:
        """Return the job that a request names, unless a fault affects the request."""
        job = self.find_job(job_id)
        self._strike(exchange, self.world.draw_fault(job.service, endpoint))
        return job

    def result(self, exchange: Exchange, job_id: str, endpoint: Endpoint) -> SimulatedJob:
        """Return the job whose output is asked for; raise if it has none, or not yet."""
        job = self.job(exchange, job_id, endpoint)
        self.require_result(job, endpoint)
        return job

    def require_result(self, job: SimulatedJob, endpoint: Endpoint) -> None:
        """Raise if a job has no output, or not yet."""
        if job.is_cancelled:
            raise NoContentError(job)
        status = self.progress(job).status
        if not status.is_final:
            raise NotReadyError(job, status.value)
        finished_for = self.world.second() - (job.ends_at or 0.0)
        faults = self.world.active_faults(job.service)
        if status is JobStatus.FAILED or is_expired(faults, endpoint, finished_for):
            raise NoContentError(job)
        if is_result_late(faults, endpoint, finished_for):
            raise ResultLateError(job)

    def jobs(self, exchange: Exchange) -> list[SimulatedJob]:
        """Return the jobs that the list shows, oldest first; a fault may omit some."""
        jobs = [job for job in self.world.jobs.values() if job.upstream == self.upstream]
        for name in self.world.scenario.services_at(self.upstream):
            fault = self.world.draw_fault(name, Endpoint.LIST)
            self._strike(exchange, fault)
            if isinstance(fault, IncompleteList):
                own = [job for job in jobs if job.service == name]
                omitted = own[-1:] if fault.omits == "newest" else own
                jobs = [job for job in jobs if job not in omitted]
        return jobs

    def cancel(self, job: SimulatedJob) -> None:
        """End a job that has not ended; nothing is charged for it."""
        self.world.jobs[job.id] = replace(job, is_cancelled=True)
        self.world.ledger.cancel(job.id)

    def forget(self, job: SimulatedJob) -> None:
        """Delete a job; one that runs is cancelled."""
        if not self.progress(job).status.is_final:
            self.cancel(job)
        del self.world.jobs[job.id]

    async def finished(self, job: SimulatedJob) -> None:
        """Wait for the end of a job; raise NoAnswerError if it never ends."""
        while not self.progress(job).status.is_final:
            if job.ends_at is None:
                raise NoAnswerError
            await self.world.clock.sleep(job.ends_at - self.world.second())

    def progress(self, job: SimulatedJob) -> JobProgress:
        """Return the present progress of a job."""
        return job.progress_at(self.world.second())

    def failure(self, job: SimulatedJob) -> JobFailure | None:
        """Return the failure of a job that has failed by now."""
        return job.failure_at(self.world.second())

    def refuse_if_retired(self) -> None:
        """Raise if a fault retires the whole API."""
        for name in self.world.scenario.services_at(self.upstream):
            for fault in self.world.active_faults(name):
                if isinstance(fault, Retire) and fault.with_api:
                    raise UnknownPathError

    def _strike(self, exchange: Exchange, fault: AnyFault | None, model: str = "") -> None:
        """Raise what a fault makes of the request, or leave it for the response."""
        match fault:
            case Refuse(state=None):
                raise ScriptedRefusalError(fault)
            case Refuse(state=NamedState() as state):
                raise NamedStateError(state)
            case Retire(message=message):
                raise UnknownModelError(model, message)
            case Hang():
                raise NoAnswerError
            case Reset():
                raise DroppedConnectionError
            case None:
                pass
            case _:
                exchange.faults.append(fault)
