"""What xAI's APIs say when they refuse, in three envelopes, and what they tell of a key and money.

Sources: npm `@ai-sdk/xai` 5.0.12 (`xai-error.ts`), docs.x.ai as of 2026-11. The texts of risk
control, of a pause and of a maintenance are in no public source; they are our own.
"""

from collections.abc import Mapping
from decimal import Decimal

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import NamedState
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.protocols.json_fields import JsonFields, parse_json_body
from tallylight.simulator.protocols.request_fields import bearer_token
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation

_TICKS_PER_USD = 10**10
_INVALID = "Client specified an invalid argument"
_FORBIDDEN = "The caller does not have permission to execute the specified operation"
_MISSING = "Some requested entity was not found"
_UNAVAILABLE = "The service is currently unavailable"
_NOT_JSON = "415"


def ticks(usd: Decimal) -> int:
    """Return an amount as xAI tells it: in ticks of a ten-thousandth of a millionth of a dollar."""
    return int(usd * _TICKS_PER_USD)


def _error(status: int, code: str, message: str) -> SimulatedResponse:
    return SimulatedResponse(status, {"code": code, "error": message})


class GrokTexts(RefusalTexts):
    """xAI's texts."""

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return 401 without a key, and 400 for a wrong one."""
        if not key:
            return SimulatedResponse(401, {"error": "No credentials were provided."})
        shown = f"{key[:2]}***{key[-2:]}"
        return _error(400, _INVALID, f"Incorrect API key provided: {shown}.")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return 404, the same for a model that is gone and for one that is not granted."""
        message = f"The model {model} does not exist or your team does not have access to it."
        return _error(404, _MISSING, message)

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        """Return 404."""
        return _error(404, _MISSING, f"Request {job_id} was not found.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        """Return 404."""
        return _error(404, _MISSING, f"{method} {path} was not found.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return 400, 415 for a body that is not JSON, and 422 for a wrong type."""
        place = f"{error.param}: " if error.param else ""
        message = place + error.message
        if error.code == _NOT_JSON:
            return SimulatedResponse(415, {"error": message})
        if error.message.startswith("Input should be a valid"):
            details = {"message": message, "type": "invalid_request_error", "code": "422"}
            return SimulatedResponse(422, {"error": {**details}})
        return _error(400, _INVALID, message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002  # others draw ids
        """Return the text for a state."""
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403, _FORBIDDEN, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _error(503, _UNAVAILABLE, "This model is temporarily paused."),
    NamedState.MAINTENANCE: _error(503, _UNAVAILABLE, "The API is under scheduled maintenance."),
    NamedState.OVERLOADED: _error(
        503, "The system is currently overloaded. Please try again later.", "Overloaded."
    ),
    NamedState.RATE_LIMITED: _error(
        429, "Some resource has been exhausted", "Too many requests for your team."
    ),
    NamedState.QUOTA: _error(
        403,
        _FORBIDDEN,
        "Your team has used all available credits or reached its monthly spending limit.",
    ),
    NamedState.AUTH: _error(400, _INVALID, "Incorrect API key provided."),
    NamedState.CONTENT_REJECTED: _error(
        400, _INVALID, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_PROMPT."
    ),
}


class GrokAccount:
    """What each of the APIs has: the key, the models, and bodies in JSON alone."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def routes(self, maker: RouteMaker) -> list[BaseRoute]:
        """Return the routes of the free questions."""
        return [
            maker.check_route("/api-key", self._api_key),
            maker.check_route("/models", self._models),
        ]

    def authenticate(self, exchange: Exchange) -> ScenarioKey:
        """Return the caller's key."""
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def fields(self, exchange: Exchange) -> JsonFields:
        """Return the body of a request; a form is refused."""
        kind = exchange.request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise InvalidRequestError("Expected application/json", code=_NOT_JSON)
        return await parse_json_body(exchange.request)

    async def _api_key(self, exchange: Exchange) -> Response:
        key = self.authenticate(exchange)
        return JSONResponse(
            {
                "redacted_api_key": f"{key.key[:3]}...{key.key[-3:]}",
                "name": "simulated",
                "acls": ["api-key:model:*", "api-key:endpoint:*"],
                "api_key_blocked": False,
                "api_key_disabled": False,
                "team_blocked": False,
            }
        )

    async def _models(self, exchange: Exchange) -> Response:
        key = self.authenticate(exchange)
        created = int(self._kernel.world.scenario.start.timestamp())
        listed = [
            {"id": model, "object": "model", "created": created, "owned_by": "maker"}
            for model in self._kernel.listed_models(key)
        ]
        return JSONResponse({"object": "list", "data": listed})
