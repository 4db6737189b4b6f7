"""What servers of the Videos API differ in: ids, job objects, and the words of every refusal."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from tallylight.simulator.answers import Answer
from tallylight.simulator.faults import Refuse, Sign
from tallylight.simulator.protocols.orders import Fields, InvalidError
from tallylight.simulator.world import Job, World


class Shape(Protocol):
    """One dialect of `/v1/videos`."""

    #: What the ids of jobs begin with.
    id_prefix: str
    #: All ten operations are there, and requests are checked strictly.
    is_complete: bool
    #: It passes requests on, has an older set of paths, and reads prompts before it accepts.
    is_relay: bool
    #: Jobs can be listed and deleted.
    lists_jobs: bool
    #: The content call gives the video; else the job names its address.
    serves_content: bool
    #: A job that is still running can be deleted too.
    cancels: bool

    def headers(self, world: World) -> Mapping[str, str]:
        """Return what every answer carries."""
        ...

    def check(self, fields: Fields) -> None:
        """Raise InvalidError for a create whose form the dialect does not take."""
        ...

    def reference(self, fields: Fields) -> str:
        """Return what a create begins from, described as in `Job`.

        Raises:
            InvalidError: if it is given in a form that the dialect does not take.
        """
        ...

    def job(self, world: World, job: Job) -> dict[str, JsonValue]:
        """Return a job as the dialect describes it."""
        ...

    def shown_with(self, shown: Mapping[str, JsonValue]) -> int:
        """Return the HTTP status with which a job is shown."""
        ...

    def models(self, names: Mapping[str, str], created: int) -> JsonValue:
        """Return the list of models; their owners by id."""
        ...

    def unauthorized(self, key: str) -> Answer:
        """Return the refusal of an unknown key, "" for none given."""
        ...

    def unknown_model(self, model: str) -> Answer:
        """Return the refusal of a model that is not offered."""
        ...

    def unknown_job(self, job_id: str) -> Answer:
        """Return the refusal of an id that no job has."""
        ...

    def unknown_path(self, method: str, path: str) -> Answer:
        """Return the refusal of a path that does not exist."""
        ...

    def invalid(self, error: InvalidError) -> Answer:
        """Return the refusal of a request that breaks the protocol."""
        ...

    def unfinished(self, job: Job, word: str) -> Answer:
        """Return the refusal of the content of a job that has none yet."""
        ...

    def no_content(self, job: Job) -> Answer:
        """Return the refusal of content that has failed or expired."""
        ...

    def deleted(self, world: World, job: Job) -> JsonValue:
        """Return what a deletion answers."""
        ...

    def signed(self, sign: Sign, world: World) -> Answer:
        """Return a refusal that names a state in the dialect's own words."""
        ...

    def spoken(self, trouble: Refuse) -> Answer:
        """Return a refusal that the scenario gives word for word."""
        ...
