"""What Azure OpenAI says when it refuses an image.

Sources: MicrosoftDocs/azure-ai-docs; MicrosoftLearning/mslearn-ai-vision#81. The texts of
suspension, maintenance and risk control are in no public source; they are our own.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation


def azure_error(
    status: int,
    message: str,
    code: str = "",
    inner: Mapping[str, JsonValue] | None = None,
    retry_after: str = "",
) -> SimulatedResponse:
    """Return a refusal with Azure's envelope; without a code of its own it has the status."""
    error: dict[str, JsonValue] = {"code": code or str(status), "message": message}
    if inner is not None:
        error["inner_error"] = {**inner}
    headers = {"retry-after": retry_after} if retry_after else {}
    return SimulatedResponse(status, {"error": error}, headers)


_FILTERED: Mapping[str, JsonValue] = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
}
AZURE_MODERATED = azure_error(
    400, "Your task failed as a result of our safety system.", "contentFilter", _FILTERED
)
_DENIED = azure_error(
    401, "Access denied due to invalid subscription key or wrong API endpoint for the resource."
)
_NOT_FOUND = azure_error(404, "Resource not found")


class AzureTexts(RefusalTexts):
    """Azure's texts."""

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return the id that its gateway gives a request, and its region."""
        return {"apim-request-id": world.random_hex(32), "x-ms-region": "Sweden Central"}

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 401, which does not show the key."""
        return _DENIED

    def unknown_model(self, model: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404: no deployment has this name, or it is too fresh."""
        message = (
            "The API deployment for this resource does not exist. If you created the deployment "
            "within the last 5 minutes, please wait a moment and try again."
        )
        return azure_error(404, message, "DeploymentNotFound")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404."""
        return _NOT_FOUND

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return 404."""
        return _NOT_FOUND

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return 400 with OpenAI's code, where there is one."""
        return azure_error(400, error.message, error.code or "BadRequest")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        """Return 404."""
        return _NOT_FOUND

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return Azure's text for a state."""
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: azure_error(
        403, "Access was blocked after suspicious activity: risk control."
    ),
    NamedState.SUSPENDED: azure_error(503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: azure_error(503, "The service is under scheduled maintenance."),
    NamedState.OVERLOADED: azure_error(503, "The server is currently overloaded."),
    NamedState.RATE_LIMITED: azure_error(
        429,
        "Requests to the ImageGenerations_Create Operation have exceeded call rate limit of your "
        "current OpenAI S0 pricing tier. Please retry after 12 seconds.",
        retry_after="12",
    ),
    NamedState.QUOTA: azure_error(403, "Out of call volume quota. Quota will be replenished."),
    NamedState.AUTH: _DENIED,
    NamedState.CONTENT_REJECTED: AZURE_MODERATED,
}
