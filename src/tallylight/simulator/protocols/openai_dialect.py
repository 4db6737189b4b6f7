"""The official Videos API as it was until 2026-09-24.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21; PyPI `openai` 3.54.0; the error code
guide of developers.openai.com. The texts of a download that is not ready or has expired are in no
public source; they are our own.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect, common_members
from tallylight.simulator.protocols.references import openai_reference
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_CREATE_FIELDS = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_JSON_FIELDS = _CREATE_FIELDS | {"characters"}
_MAX_CHARACTERS = 2
_ASSET_TTL_S = 3600  # the guide: download links are valid for at most one hour


def _error(  # noqa: PLR0913, PLR0917  # status, the four members of the envelope, headers
    status: int,
    message: str,
    code: str | None = None,
    kind: str = "invalid_request_error",
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> SimulatedResponse:
    """Return a refusal with OpenAI's envelope; all four members are always present."""
    error: JsonValue = {"message": message, "type": kind, "param": param, "code": code}
    return SimulatedResponse(status, {"error": error}, headers or {})


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

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 with part of the key, as OpenAI does."""
        if not key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            return _error(401, message)
        shown = f"{key[:3]}***{key[-3:]}" if len(key) > 8 else "***"  # noqa: PLR2004
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return _error(401, message, "invalid_api_key")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 model_not_found, the same as for a retired model."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return _error(404, message, "model_not_found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return 404 without a code."""
        return _error(404, f"Video with id '{job_id}' not found.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return OpenAI's 404 for unknown paths."""
        return _error(404, f"Invalid URL ({method} {path})")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return 400 that names the parameter."""
        return _error(400, error.message, error.code, param=error.param)

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:
        """Return 404: there is no content yet."""
        hint = f"use GET /v1/videos/{job.id} to check status."
        return _error(404, f"Video is not ready yet (status: {status}), {hint}")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        """Return 404: the content has expired or never existed."""
        return _error(404, f"The content of video '{job.id}' is not available.", "not_found")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002  # other dialects draw ids
        """Return the official text for a state."""
        return _STATE_ERRORS[state]


_UNAVAILABLE = "service_unavailable_error"
_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403,
        "Hmmm something didn't look right with your request. Please try again later or visit "
        "https://help.openai.com if this issue persists.",
        "sentinel_block",
    ),
    NamedState.SUSPENDED: _error(
        503, "This model is temporarily paused.", "model_paused", _UNAVAILABLE
    ),
    NamedState.MAINTENANCE: _error(
        503,
        "The video service is under scheduled maintenance. Please try again later.",
        "maintenance",
        _UNAVAILABLE,
        headers={"retry-after": "600"},
    ),
    NamedState.OVERLOADED: _error(
        503,
        "The server is currently overloaded. Please try again later.",
        "server_is_overloaded",
        _UNAVAILABLE,
    ),
    NamedState.RATE_LIMITED: _error(
        429,
        "Rate limit reached for sora-2 in organization org-simulated on requests per min "
        "(RPM): Limit 25, Used 25, Requested 1. Please try again in 2.4s.",
        "rate_limit_exceeded",
        "requests",
        headers={"retry-after": "3", "x-ratelimit-remaining-requests": "0"},
    ),
    NamedState.QUOTA: _error(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    NamedState.AUTH: _error(403, "Your organization must be verified to use the model `sora-2`."),
    NamedState.CONTENT_REJECTED: _error(
        400, "Your request was blocked by our moderation system.", "moderation_blocked"
    ),
}
