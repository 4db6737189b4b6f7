"""What servers of the Videos API differ in: ids, job objects and the text of each refusal."""

from abc import abstractmethod
from collections.abc import Mapping

from pydantic import JsonValue
from starlette.requests import Request

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobProgress
from tallylight.simulator.protocols.measures import MeasuredFields
from tallylight.simulator.protocols.references import url_or_file_reference
from tallylight.simulator.protocols.request_fields import RequestFields, bearer_token
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation


def common_members(job: SimulatedJob, progress: JobProgress) -> dict[str, JsonValue]:
    """Return the members of a job object that OpenAI and the self-hosted servers share."""
    return {
        "id": job.id,
        "object": "video",
        "model": job.outcome.output.model,
        "status": progress.status.value,
        "progress": progress.percent,
        "created_at": job.created_at,
        "prompt": job.prompt,
        "size": job.requested.size,
        "seconds": str(job.requested.seconds),
    }


class VideosDialect(RefusalTexts):
    """One dialect of `/v1/videos`; the defaults are what most servers do."""

    #: Prefix of job ids.
    id_prefix = "video_"
    #: All ten operations exist, and request parameters are checked strictly.
    is_full_api = False
    #: The server forwards requests, has an older set of paths, and reads prompts before it accepts.
    is_relay = False
    #: Jobs can be listed and deleted.
    can_list = True
    #: The content call returns the video; otherwise the job names its URL.
    serves_content = True
    #: A running job can be deleted too.
    can_cancel = False
    #: A job that has not started can be cancelled, by a call of its own.
    has_cancel_call = False

    def given_key(self, request: Request) -> str:
        """Return the key of a request, "" for none."""
        return bearer_token(request)

    def new_id(self, hexadecimal: str) -> str:
        """Return the id of a new job from a random number."""
        return self.id_prefix + hexadecimal

    def validate(self, fields: RequestFields) -> None:  # many check nothing
        """Raise InvalidRequestError for a create whose form the dialect does not accept."""

    def measured(self, fields: RequestFields) -> MeasuredFields:
        """Return a create with the length and size that the server makes, and their number."""
        return MeasuredFields(fields)

    def with_levers(self, reading: OrderReading, fields: RequestFields) -> OrderReading:  # noqa: ARG002
        """Return a reading with what a create says of sound, quality, chance and the unwanted."""
        return reading  # OpenAI has no such fields

    def input_reference(self, fields: RequestFields) -> str:
        """Return the input of a create; raise InvalidRequestError if its form is refused."""
        return url_or_file_reference(fields, "input_reference")

    @abstractmethod
    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the JSON object of a job."""

    def listed_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the JSON object of a job in the list."""
        return self.job_object(world, job)

    def not_cancellable(self, job: SimulatedJob) -> SimulatedResponse:
        """Return the refusal to cancel a job that has started."""
        return self.unknown_job(job.id)

    def http_status(self, job_object: Mapping[str, JsonValue]) -> int:  # noqa: ARG002
        """Return the HTTP status of a response with this job: 200, even for a failed job."""
        return 200

    def model_list(self, owners: Mapping[str, str], created: int) -> dict[str, JsonValue]:
        """Return the body of `/models`: the owner of each model, and Unix seconds."""
        data: list[JsonValue] = [
            {"id": name, "object": "model", "created": created, **self.model_fields(name, owner)}
            for name, owner in owners.items()
        ]
        return {"object": "list", "data": data}

    def model_fields(self, name: str, owner: str) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the members of a listed model that differ between dialects."""
        return {"owned_by": owner}

    def deletion_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:  # noqa: ARG002
        """Return the body of a successful deletion."""
        return {"id": job.id, "object": "video.deleted", "deleted": True}
