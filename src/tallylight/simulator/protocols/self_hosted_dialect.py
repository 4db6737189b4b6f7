"""What the inference servers that people run themselves have in common.

Such a server has no balance and no risk control: those states are refused by the proxy that its
operator put before it. These texts are in no public source; they are our own.
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from tallylight.simulator.faults import NamedState
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.measures import MeasuredFields, engine_measures
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.world import Simulation


def detail_error(status: int, detail: JsonValue) -> SimulatedResponse:
    """Return an error as FastAPI writes it."""
    return SimulatedResponse(status, {"detail": detail})


class SelfHostedDialect(VideosDialect):
    """A server on FastAPI whose jobs can be deleted while they run."""

    can_cancel = True

    def measured(self, fields: RequestFields) -> MeasuredFields:
        """Return what the engine makes of a create: frames and JSON text win."""
        return engine_measures(fields)

    def with_levers(self, reading: OrderReading, fields: RequestFields) -> OrderReading:
        """Return what both engines read."""
        seed = fields.lenient_integer("seed")
        return replace(reading, seed=seed, negative=fields.lenient_text("negative_prompt"))

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002  # it does not say which
        """Return 401 as its middleware does."""
        return SimulatedResponse(401, {"error": "Unauthorized"})

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the framework's 404."""
        return detail_error(404, "Not Found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the framework's 422, which locates the error."""
        location: list[JsonValue] = ["body", error.param or ""]
        kind = error.code or "value_error"
        return detail_error(422, [{"type": kind, "loc": location, "msg": error.message}])

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return a state in the text of the proxy before the server."""
        return detail_error(*_STATE_ERRORS[state])


_STATE_ERRORS: Mapping[NamedState, tuple[int, str]] = {
    NamedState.RISK_CONTROL: (403, "Just a moment... Verify that you are human."),
    NamedState.SUSPENDED: (503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: (503, "The server is under maintenance."),
    NamedState.OVERLOADED: (503, "The server is overloaded."),
    NamedState.RATE_LIMITED: (429, "Too many requests, slow down."),
    NamedState.QUOTA: (402, "Insufficient balance."),
    NamedState.AUTH: (401, "Unauthorized"),
    NamedState.CONTENT_REJECTED: (400, "The prompt was blocked by the safety checker."),
}
