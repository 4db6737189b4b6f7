"""What servers of the Videos API differ in: ids, job objects, and the words of every refusal."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from tallylight.simulator.answers import SimulatedResponse
from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.protocols.orders import InvalidRequestError, RequestFields
from tallylight.simulator.world import SimulatedJob, Simulation


class VideosDialect(Protocol):
    """One dialect of `/v1/videos`."""

    #: What the ids of jobs begin with.
    id_prefix: str
    #: All ten operations are there, and requests are checked strictly.
    is_full_api: bool
    #: It passes requests on, has an older set of paths, and reads prompts before it accepts.
    is_relay: bool
    #: Jobs can be listed and deleted.
    can_list: bool
    #: The content call gives the video; else the job names its address.
    serves_content: bool
    #: A job that is still running can be deleted too.
    can_cancel: bool

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return what every answer carries."""
        ...

    def validate(self, fields: RequestFields) -> None:
        """Raise InvalidError for a create whose form the dialect does not take."""
        ...

    def input_reference(self, fields: RequestFields) -> str:
        """Return what a create begins from, described as in `Job`.

        Raises:
            InvalidError: if it is given in a form that the dialect does not take.
        """
        ...

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return a job as the dialect describes it."""
        ...

    def http_status(self, shown: Mapping[str, JsonValue]) -> int:
        """Return the HTTP status with which a job is shown."""
        ...

    def model_list(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the list of models; their owners by id."""
        ...

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return the refusal of an unknown key, "" for none given."""
        ...

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return the refusal of a model that is not offered."""
        ...

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return the refusal of an id that no job has."""
        ...

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return the refusal of a path that does not exist."""
        ...

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the refusal of a request that breaks the protocol."""
        ...

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:
        """Return the refusal of the content of a job that has none yet."""
        ...

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return the refusal of content that has failed or expired."""
        ...

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> JsonValue:
        """Return what a deletion answers."""
        ...

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:
        """Return a refusal that names a state in the dialect's own words."""
        ...

    def scripted_error(self, fault: Refuse) -> SimulatedResponse:
        """Return a refusal that the scenario gives word for word."""
        ...
