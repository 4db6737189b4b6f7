"""What all of OpenAI's APIs say when they refuse, and the headers of their responses.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21; the error code guide of
developers.openai.com.
"""

from collections.abc import Mapping

from tallylight.simulator.faults import NamedState
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation


def openai_error(  # noqa: PLR0913, PLR0917  # status, the four members of the envelope, headers
    status: int,
    message: str,
    code: str | None = None,
    kind: str = "invalid_request_error",
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> SimulatedResponse:
    """Return a refusal with OpenAI's envelope; all four members are always present."""
    envelope = {"message": message, "type": kind, "param": param, "code": code}
    return SimulatedResponse(status, {"error": {**envelope}}, headers or {})


class OpenAITexts(RefusalTexts):
    """OpenAI's texts."""

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

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 with part of the key, as OpenAI does."""
        if not key:
            message = (
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
            )
            return openai_error(401, message)
        shown = f"{key[:3]}***{key[-3:]}" if len(key) > 8 else "***"  # noqa: PLR2004
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        return openai_error(401, message, "invalid_api_key")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404 model_not_found, the same as for a retired model."""
        message = f"The model `{model}` does not exist or you do not have access to it."
        return openai_error(404, message, "model_not_found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return OpenAI's 404 for unknown paths."""
        return openai_error(404, f"Invalid URL ({method} {path})")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return 400 that names the parameter."""
        return openai_error(400, error.message, error.code, param=error.param)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002  # other dialects draw ids
        """Return the official text for a state."""
        return OPENAI_STATE_ERRORS[state]


_UNAVAILABLE = "service_unavailable_error"
OPENAI_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: openai_error(
        403,
        "Hmmm something didn't look right with your request. Please try again later or visit "
        "https://help.openai.com if this issue persists.",
        "sentinel_block",
    ),
    NamedState.SUSPENDED: openai_error(
        503, "This model is temporarily paused.", "model_paused", _UNAVAILABLE
    ),
    NamedState.MAINTENANCE: openai_error(
        503,
        "The video service is under scheduled maintenance. Please try again later.",
        "maintenance",
        _UNAVAILABLE,
        headers={"retry-after": "600"},
    ),
    NamedState.OVERLOADED: openai_error(
        503,
        "The server is currently overloaded. Please try again later.",
        "server_is_overloaded",
        _UNAVAILABLE,
    ),
    NamedState.RATE_LIMITED: openai_error(
        429,
        "Rate limit reached for sora-2 in organization org-simulated on requests per min "
        "(RPM): Limit 25, Used 25, Requested 1. Please try again in 2.4s.",
        "rate_limit_exceeded",
        "requests",
        headers={"retry-after": "3", "x-ratelimit-remaining-requests": "0"},
    ),
    NamedState.QUOTA: openai_error(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    NamedState.AUTH: openai_error(
        403, "Your organization must be verified to use the model `sora-2`."
    ),
    NamedState.CONTENT_REJECTED: openai_error(
        400, "Your request was blocked by our moderation system.", "moderation_blocked"
    ),
}
