"""LiteLLM's proxy before one supplier, a Gemini model: no list, no delete, no cancel.

Sources: PyPI `litellm` 1.109.1, `proxy/video_endpoints/endpoints.py`, `types/videos/main.py`,
`llms/gemini/videos`. The texts of maintenance and risk control are in no public source; they are
our own.
"""

import base64
from collections.abc import Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect, common_members
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation

_RUNNING = "processing"  # no word of OpenAI's


def _error(status: int, message: str, kind: str | None = None) -> SimulatedResponse:
    """Return an error in the proxy's envelope, whose code is the HTTP status as text."""
    envelope = {"message": message, "type": kind, "param": None, "code": str(status)}
    return SimulatedResponse(status, {"error": {**envelope}})


class LitellmDialect(VideosDialect):
    """Dialect `litellm`."""

    can_list = False

    def new_id(self, hexadecimal: str) -> str:
        """Return an id that holds the way to the supplier."""
        way = f"litellm:custom_llm_provider:gemini;model_id:simulated;video_id:{hexadecimal}"
        return f"video_{base64.b64encode(way.encode()).decode()}"

    def job_object(self, world: Simulation, job: SimulatedJob) -> dict[str, JsonValue]:
        """Return the object, without a prompt; a failed job is completed, with an error."""
        progress = job.progress_at(world.second())
        members = common_members(job, progress)
        del members["prompt"]
        job_json: dict[str, JsonValue] = {
            **members,
            "completed_at": None,
            "expires_at": None,
            "error": None,
            "remixed_from_video_id": None,
            "usage": {"duration_seconds": float(job.requested.seconds)},
        }
        if progress.status is JobStatus.IN_PROGRESS:
            job_json["status"] = _RUNNING
        if failure := job.failure_at(world.second()):
            job_json |= {"status": "completed", "progress": 100, "error": failure.as_json()}
        return job_json

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 in the proxy's text."""
        if not key:
            return _error(401, "Authentication Error, No api key passed in.", "auth_error")
        message = "Authentication Error, Invalid proxy server token passed."
        return _error(401, message, "token_not_found_in_db")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 400: the proxy has no such name."""
        message = f"/videos: Invalid model name passed in model={model}. Call `/v1/models` to view"
        return SimulatedResponse(400, {"error": f"{message} available models for your key."})

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return the supplier's 404."""
        return _error(404, f"litellm.NotFoundError: GeminiException - no operation {job_id}")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the framework's 404."""
        return SimulatedResponse(404, {"detail": "Not Found"})

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the supplier's 400 behind the name of an exception."""
        return _error(400, f"litellm.BadRequestError: GeminiException - {error.message}")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return a state in the proxy's text."""
        return _STATE_ERRORS[state]

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        """Return what the supplier's missing result becomes."""
        message = "litellm.BadRequestError: GeminiException - Video generation is not complete"
        return _error(400, message)

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        """Return the supplier's 404."""
        return _error(404, "litellm.NotFoundError: GeminiException - no video in the operation")


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403,
        "litellm.PermissionDeniedError: OpenAIException - Just a moment... Verify that you are "
        "human.",
    ),
    NamedState.SUSPENDED: _error(
        503, "litellm.ServiceUnavailableError: This model is temporarily paused."
    ),
    NamedState.MAINTENANCE: _error(
        503, "litellm.ServiceUnavailableError: The server is under maintenance."
    ),
    NamedState.OVERLOADED: _error(
        429, "No deployments available for selected model, Try again in 60 seconds."
    ),
    NamedState.RATE_LIMITED: _error(
        429,
        "litellm.RateLimitError: GeminiException - Rate limit exceeded: 10 requests per minute.",
    ),
    NamedState.QUOTA: _error(
        400, "Budget has been exceeded! Current cost: 10.0, Max budget: 10.0", "budget_exceeded"
    ),
    NamedState.AUTH: _error(
        401, "litellm.AuthenticationError: GeminiException - API key not valid."
    ),
    NamedState.CONTENT_REJECTED: _error(
        400, "litellm.ContentPolicyViolationError: The prompt was blocked by its safety filters."
    ),
}
