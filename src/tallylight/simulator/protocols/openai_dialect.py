"""The official Videos API as it was until 2026-09-24.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21; PyPI `openai` 3.54.0; the error code
guide of developers.openai.com. The texts of a download that is not ready or has expired are in no
public source; they are our own.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.references import openai_reference
from tallylight.simulator.protocols.request_fields import InvalidRequestError, RequestFields
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import SimulatedJob, Simulation

_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_JSON_FIELDS = _CREATE_FIELDS | {"characters"}
_MAX_CHARACTERS = 2
_ASSET_TTL_S = 3600  # the guide: download links are valid for at most one hour


def error_envelope(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, JsonValue]:
    """Return OpenAI's error envelope; all four members are always present."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class OpenAIDialect(VideosDialect):
    """Dialect `openai`."""

    is_full_api = True

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return the headers of api.openai.com."""
        return {
            "x-request-id": f"req_{world.random_hex(32)}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-simulated",
            "openai-processing-ms": str(20 + int(world.draw() * 60)),
            "x-ratelimit-limit-requests": "25",
            "x-ratelimit-remaining-requests": "24",
            "x-ratelimit-reset-requests": "2.4s",
        }

    def validate(self, fields: RequestFields) -> None:
        """Refuse parameters that the operation does not have.

        Raises:
            InvalidRequestError: for an unknown field, or for invalid characters.
        """
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
        ended_at = int(world.clock.unix_time(job.ends_at)) if job.ends_at is not None else None
        is_completed = progress.status is JobStatus.COMPLETED
        failure = job.failure_at(world.second())
        return {
            "id": job.id,
            "object": "video",
            "model": job.outcome.output.model,
            "status": progress.status.value,
            "progress": progress.percent,
            "created_at": job.created_at,
            "completed_at": ended_at if is_completed else None,
            "expires_at": ended_at + _ASSET_TTL_S
            if is_completed and ended_at is not None
            else None,
            "prompt": job.prompt,
            "size": job.requested.size,
            "seconds": str(job.requested.seconds),
            "remixed_from_video_id": job.parent or None,
            "error": failure.as_json() if failure else None,
        }

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 with part of the key, as OpenAI does."""
        if not key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            return SimulatedResponse(401, error_envelope(message, "invalid_request_error"))
        shown = f"{key[:3]}***{key[-3:]}" if len(key) > 8 else "***"  # noqa: PLR2004
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return SimulatedResponse(
            401, error_envelope(message, "invalid_request_error", "invalid_api_key")
        )

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 model_not_found, the same as for a retired model."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return SimulatedResponse(
            404, error_envelope(message, "invalid_request_error", "model_not_found")
        )

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return 404 without a code."""
        message = f"Video with id '{job_id}' not found."
        return SimulatedResponse(404, error_envelope(message, "invalid_request_error"))

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return OpenAI's 404 for unknown paths."""
        return SimulatedResponse(
            404, error_envelope(f"Invalid URL ({method} {path})", "invalid_request_error")
        )

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return 400 that names the parameter."""
        body = error_envelope(error.message, "invalid_request_error", error.code, error.param)
        return SimulatedResponse(400, body)

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:
        """Return 404: there is no content yet."""
        message = (
            f"Video is not ready yet (status: {status}), "
            f"use GET /v1/videos/{job.id} to check status."
        )
        return SimulatedResponse(404, error_envelope(message, "invalid_request_error"))

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 404: the content has expired or never existed."""
        message = f"The content of video '{job.id}' is not available."
        return SimulatedResponse(404, error_envelope(message, "invalid_request_error", "not_found"))

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002  # other dialects draw ids
        """Return the official text for a state."""
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: SimulatedResponse(
        403,
        error_envelope(
            "Hmmm something didn't look right with your request. Please try again later or visit "
            "https://help.openai.com if this issue persists.",
            "invalid_request_error",
            "sentinel_block",
        ),
    ),
    NamedState.SUSPENDED: SimulatedResponse(
        503,
        error_envelope(
            "This model is temporarily paused.", "service_unavailable_error", "model_paused"
        ),
    ),
    NamedState.MAINTENANCE: SimulatedResponse(
        503,
        error_envelope(
            "The video service is under scheduled maintenance. Please try again later.",
            "service_unavailable_error",
            "maintenance",
        ),
        {"retry-after": "600"},
    ),
    NamedState.OVERLOADED: SimulatedResponse(
        503,
        error_envelope(
            "The server is currently overloaded. Please try again later.",
            "service_unavailable_error",
            "server_is_overloaded",
        ),
    ),
    NamedState.RATE_LIMITED: SimulatedResponse(
        429,
        error_envelope(
            "Rate limit reached for sora-2 in organization org-simulated on requests per min "
            "(RPM): Limit 25, Used 25, Requested 1. Please try again in 2.4s.",
            "requests",
            "rate_limit_exceeded",
        ),
        {"retry-after": "3", "x-ratelimit-remaining-requests": "0"},
    ),
    NamedState.QUOTA: SimulatedResponse(
        429,
        error_envelope(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    NamedState.AUTH: SimulatedResponse(
        403,
        error_envelope(
            "Your organization must be verified to use the model `sora-2`.",
            "invalid_request_error",
        ),
    ),
    NamedState.CONTENT_REJECTED: SimulatedResponse(
        400,
        error_envelope(
            "Your request was blocked by our moderation system.",
            "invalid_request_error",
            "moderation_blocked",
        ),
    ),
}
