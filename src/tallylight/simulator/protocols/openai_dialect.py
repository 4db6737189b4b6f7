"""The official Videos API as it was until 2026-09-24.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21; PyPI `openai` 3.54.0; the error code
guide of developers.openai.com. The texts of a download that is not ready or has expired are in no
public source; they are our own.
"""

from pydantic import JsonValue

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect, common_members
from tallylight.simulator.protocols.openai_texts import OpenAITexts, openai_error
from tallylight.simulator.protocols.references import openai_reference
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_JSON_FIELDS = _CREATE_FIELDS | {"characters"}
_MAX_CHARACTERS = 2
_ASSET_TTL_S = 3600  # the guide: download links are valid for at most one hour


class OpenAIDialect(OpenAITexts, VideosDialect):
    """Dialect `openai`."""

    is_full_api = True

    def validate(self, fields: RequestFields) -> None:
        """Raise InvalidRequestError for an unknown field or invalid characters."""
        # Characters are in the guide only; the specification has them in no form.
        fields.reject_unknown(_CREATE_FIELDS if fields.is_form else _JSON_FIELDS)
        given = fields.values.get("characters", [])
        if not isinstance(given, list) or len(given) > _MAX_CHARACTERS:
            raise InvalidRequestError(
                "Expected at most 2 characters.", "characters", "invalid_value"
            )
        if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in given):
            raise InvalidRequestError(
                "Expected objects with an 'id'.", "characters", "invalid_type"
            )

    def input_reference(self, fields: RequestFields) -> str:
        """Return the input of a create."""
        return openai_reference(fields)

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the video object with all its thirteen members."""
        progress = job.progress_at(world.second())
        completed_at = expires_at = None
        if progress.status is JobStatus.COMPLETED and job.ends_at is not None:
            completed_at = int(world.clock.unix_time(job.ends_at))
            expires_at = completed_at + _ASSET_TTL_S
        failure = job.failure_at(world.second())
        return {
            **common_members(job, progress),
            "completed_at": completed_at,
            "expires_at": expires_at,
            "remixed_from_video_id": job.parent or None,
            "error": failure.as_json() if failure else None,
        }

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return 404 without a code."""
        return openai_error(404, f"Video with id '{job_id}' not found.")

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:
        """Return 404: there is no content yet."""
        hint = f"use GET /v1/videos/{job.id} to check status."
        return openai_error(404, f"Video is not ready yet (status: {status}), {hint}")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 404: the content has expired or never existed."""
        return openai_error(404, f"The content of video '{job.id}' is not available.", "not_found")
