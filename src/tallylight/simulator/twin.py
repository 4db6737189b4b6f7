"""What a simulated protocol consists of: one `Twin` a file, listed in `protocols.registry`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from starlette.routing import BaseRoute

from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Kernel
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse, scripted_response
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import Simulation

ClientSettings = Mapping[str, JsonValue]


def _key_alone(key: ScenarioKey, base_url: str) -> ClientSettings:  # noqa: ARG001
    return {"key": key.key}


@dataclass(frozen=True, slots=True)
class Twin:
    """The independent reading of one protocol.

    Args:
        dialects: The dialects that it speaks; an upstream of the scenario names one.
        base_path: What follows the upstream's root in the base URL that a client is given.
        routes: The routes of one upstream, relative to the base URL.
        client_settings: Returns what a client's configuration says of an upstream beside its
            address, protocol and dialect: the key, and the protocol's own options.
    """

    name: str
    dialects: tuple[str, ...]
    base_path: str
    routes: Callable[[Kernel], list[BaseRoute]]
    client_settings: Callable[[ScenarioKey, str], ClientSettings] = _key_alone


class RefusalTexts(ABC):
    """A protocol's responses to what the kernel refuses."""

    def headers(self, world: Simulation) -> Mapping[str, str]:  # noqa: ARG002  # others draw ids
        """Return the headers of every response."""
        return {}

    @abstractmethod
    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return the refusal of an unknown key, "" if the request has none."""

    def expired_key(self, key: str, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of an expired key."""
        return self.state_error(NamedState.AUTH, world)

    @abstractmethod
    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return the refusal of a model that is not offered."""

    @abstractmethod
    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return the refusal of an unknown job id."""

    @abstractmethod
    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return the refusal of an unknown path."""

    @abstractmethod
    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the refusal of a request that breaks the protocol."""

    @abstractmethod
    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:
        """Return a refusal that names a state in the protocol's own text."""

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return the response that the scenario gives."""
        return scripted_response(fault)

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of the output of a job that is not finished."""
        return self.unknown_job(job.id)

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return the refusal of an output that does not exist or has expired."""
        return self.unknown_job(job.id)

    def result_late(self, job: SimulatedJob) -> SimulatedResponse:
        """Return the refusal of an output that is not there yet although the job has ended."""
        return self.no_content(job)
