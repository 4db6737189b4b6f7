"""Google's errors: a number, a message, a word of gRPC and details; several APIs have them.

Sources: ai.google.dev `troubleshooting` and `rate-limits`, cloud.google.com `apis/design/errors`,
as stored in 2026.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts

_TYPE = "type.googleapis.com/google.rpc."


class GoogleTexts(RefusalTexts):
    """What Google's APIs have in common."""

    def error(
        self, http_status: int, status: str, message: str, reason: str = ""
    ) -> SimulatedResponse:
        """Return an error with the reason that its details give, "" for none."""
        info = {"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        return google_error(http_status, status, message, [{**info}] if reason else [])

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the page that an unknown path has."""
        page = f"<html><title>Error 404 (Not Found)!!1</title><p>{path} was not found.</p></html>"
        return SimulatedResponse(404, page)

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the refusal of a request that breaks the protocol."""
        place = f" at '{error.param}'" if error.param else ""
        return self.error(400, "INVALID_ARGUMENT", f"{error.message}{place}")

    def state_error(self, state: NamedState, world: object) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal that names a state."""
        return _STATE_ERRORS[state]


class GoogleModelTexts(GoogleTexts):
    """What the APIs of Google's models have in common, by a key or at Vertex AI."""

    def __init__(self, *, is_vertex: bool) -> None:
        self._is_vertex = is_vertex

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return the refusal of a key or a token."""
        if self._is_vertex:
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            return self.error(401, "UNAUTHENTICATED", text)
        if not key:
            return self.error(
                403,
                "PERMISSION_DENIED",
                "Method doesn't allow unregistered callers (callers without established identity). "
                "Please use API Key or other form of API consumer identity to call this API.",
            )
        text = "API key not valid. Please pass a valid API key."
        return self.error(400, "INVALID_ARGUMENT", text, "API_KEY_INVALID")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return the refusal of a model that is gone or was never granted."""
        text = (
            f"Publisher model {model} was not found or your project does not have access to it."
            if self._is_vertex
            else f"models/{model} is not found for API version v1beta, or is not supported for it."
        )
        return self.error(404, "NOT_FOUND", text)

    def state_error(self, state: NamedState, world: object) -> SimulatedResponse:
        """Return the refusal that names a state; Vertex AI has limits and money of its own."""
        if state is NamedState.RATE_LIMITED and self._is_vertex:
            text = "Quota exceeded for online_prediction_requests_per_base_model per minute."
            return self.error(429, "RESOURCE_EXHAUSTED", text)
        if state is NamedState.QUOTA and self._is_vertex:
            text = "This API method requires billing to be enabled."
            return self.error(403, "PERMISSION_DENIED", text, "BILLING_DISABLED")
        return super().state_error(state, world)


def google_error(
    http_status: int, status: str, message: str, details: list[JsonValue] | None = None
) -> SimulatedResponse:
    """Return an error of a Google API."""
    error: dict[str, JsonValue] = {"code": http_status, "message": message, "status": status}
    return SimulatedResponse(
        http_status, {"error": {**error, "details": details} if details else error}
    )


def _quota_details(quota: str, delay: str = "") -> list[JsonValue]:
    violations: list[JsonValue] = [{"quotaId": quota}]
    found: list[JsonValue] = [{"@type": f"{_TYPE}QuotaFailure", "violations": violations}]
    return [*found, {"@type": f"{_TYPE}RetryInfo", "retryDelay": delay}] if delay else found


_QUOTA_TEXT = "You exceeded your current quota, please check your plan and billing details."
#: One HTTP status and one text are a limit that passes and one that does not.
_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: google_error(
        403, "PERMISSION_DENIED", "Your request was blocked: unusual activity was detected."
    ),
    NamedState.SUSPENDED: google_error(
        403,
        "PERMISSION_DENIED",
        "Permission denied: Consumer 'api_key:sim' has been suspended.",
        [{"@type": f"{_TYPE}ErrorInfo", "reason": "CONSUMER_SUSPENDED"}],
    ),
    NamedState.MAINTENANCE: google_error(
        503, "UNAVAILABLE", "The service is temporarily down for maintenance."
    ),
    NamedState.OVERLOADED: google_error(
        503, "UNAVAILABLE", "The model is overloaded. Please try again later."
    ),
    NamedState.RATE_LIMITED: google_error(
        429,
        "RESOURCE_EXHAUSTED",
        _QUOTA_TEXT,
        _quota_details("GenerateRequestsPerMinutePerProjectPerModel", "34s"),
    ),
    NamedState.QUOTA: google_error(
        429,
        "RESOURCE_EXHAUSTED",
        _QUOTA_TEXT,
        _quota_details("GenerateRequestsPerDayPerProjectPerModel"),
    ),
    NamedState.AUTH: google_error(
        403, "PERMISSION_DENIED", "The caller does not have permission to use this service."
    ),
    NamedState.CONTENT_REJECTED: google_error(
        400, "INVALID_ARGUMENT", "The prompt violates the usage guidelines of this service."
    ),
}
