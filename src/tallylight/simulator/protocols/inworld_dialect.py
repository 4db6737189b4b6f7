"""Inworld's Videos API: text alone, JSON alone, a cancel of its own, and signed addresses.

Source: docs.inworld.ai, api-reference/videoAPI, of 2026-11. The names of length and size, that a
list names the prompt, and the texts of all refusals but that of a cancel are not verified.
"""

from collections.abc import Mapping

from pydantic import JsonValue
from starlette.requests import Request

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect, common_members
from tallylight.simulator.protocols.openai_texts import OpenAITexts, openai_error
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_KEPT_S = 7 * 24 * 3600
_LINK_S = 3600
_FIELDS = frozenset({"model", "prompt", "seconds", "size"})


class InworldDialect(OpenAITexts, VideosDialect):
    """Dialect `inworld`."""

    has_cancel_call = True

    def given_key(self, request: Request) -> str:
        """Return the key of a request, which stands after `Basic`."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "basic" else ""

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return an id of the request."""
        return {"x-request-id": world.random_hex(32)}

    def validate(self, fields: RequestFields) -> None:
        """Raise InvalidRequestError for a form, or for a field that is not known."""
        if fields.is_form:
            raise InvalidRequestError("Expected a JSON body.")
        fields.reject_unknown(_FIELDS)

    def input_reference(self, fields: RequestFields) -> str:  # noqa: ARG002  # it takes no pictures
        """Return that there is none."""
        return ""

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the job, with a fresh link to its film once it is completed."""
        progress = job.progress_at(world.second())
        job_json: dict[str, JsonValue] = {**common_members(job, progress), "error": None}
        if job.is_cancelled:
            return job_json | {"status": "cancelled"}
        if progress.status is JobStatus.COMPLETED and job.ends_at is not None:
            ended = int(world.clock.unix_time(job.ends_at))
            until = int(world.clock.unix_time()) + _LINK_S
            film: dict[str, JsonValue] = {"url": world.file_url(job), "url_expires_at": until}
            job_json |= {"expires_at": ended + _KEPT_S, "output": {"videos": [film]}}
        if failure := job.failure_at(world.second()):
            job_json["error"] = failure.as_json()
        return job_json

    def listed_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the same without the link."""
        return {
            name: each for name, each in self.job_object(world, job).items() if name != "output"
        }

    def not_cancellable(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 409: it has been sent for generation."""
        message = f"Video {job.id} cannot be cancelled: its generation has started."
        return openai_error(409, message, "video_not_cancellable")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return 404, also for a job that was deleted."""
        return openai_error(404, f"Video with id '{job_id}' not found.", "not_found")
