"""What every operation of the Videos API begins and ends with: key, faults, response headers."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from tallylight.simulator.connection import never_respond, reset_connection
from tallylight.simulator.faults import AnyFault, Endpoint, Hang, NamedState, Refuse, Reset, Retire
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.request_fields import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import Simulation

RouteHandler = Callable[[Request], Awaitable[Response]]


class SimulatedRefusalError(Exception):
    """The request is refused with a response."""

    def __init__(self, response: SimulatedResponse) -> None:
        super().__init__(response)
        self.response = response


def bearer_token(request: Request) -> str:
    """Return the token of the Authorization header, "" for none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class RequestGuard:
    """Checks keys and applies faults for one upstream of the Videos API."""

    def __init__(self, world: Simulation, upstream: str, dialect: VideosDialect) -> None:
        self.world = world
        self.upstream = upstream
        self.dialect = dialect

    def wrap(self, handler: RouteHandler) -> RouteHandler:
        """Wrap a handler: refusals become responses, and responses get the dialect's headers."""

        async def handle(request: Request) -> Response:
            try:
                self._refuse_if_api_retired(request)
                response = await handler(request)
            except SimulatedRefusalError as refusal:
                response = refusal.response.to_response()
            except InvalidRequestError as error:
                response = self.dialect.invalid_request(error).to_response()
            for name, value in self.dialect.headers(self.world).items():
                response.headers.setdefault(name, value)
            return response

        return handle

    def unknown_path_error(self, request: Request) -> SimulatedRefusalError:
        """Return the refusal of an unknown path, named without the simulator's prefix."""
        path = request.url.path.removeprefix(f"/{self.upstream}")
        return SimulatedRefusalError(self.dialect.unknown_path(request.method, path))

    def _refuse_if_api_retired(self, request: Request) -> None:
        if "/videos" not in request.url.path:
            return
        for name in self.world.scenario.services_at(self.upstream):
            for fault in self.world.active_faults(name):
                if isinstance(fault, Retire) and fault.with_api:
                    raise self.unknown_path_error(request)

    def authenticate(self, request: Request) -> ScenarioKey:
        """Return the caller's key; raise SimulatedRefusalError if it is unknown or expired."""
        given = bearer_token(request)
        known = self.world.find_key(self.upstream, given)
        if known is None:
            raise SimulatedRefusalError(self.dialect.unauthorized(given))
        if known.state == "expired":
            raise SimulatedRefusalError(self.dialect.state_error(NamedState.AUTH, self.world))
        return known

    def check_balance(self, key: ScenarioKey) -> None:
        """Raise SimulatedRefusalError if the balance of a key is exhausted."""
        if key.state == "exhausted":
            raise SimulatedRefusalError(self.dialect.state_error(NamedState.QUOTA, self.world))

    async def apply_fault(
        self, request: Request, fault: AnyFault | None, model: str = ""
    ) -> Response | None:
        """Apply a fault; return None if the request is to be served.

        A refusal or a retirement raises SimulatedRefusalError.
        """
        match fault:
            case Refuse(state=None):
                raise SimulatedRefusalError(self.dialect.scripted_error(fault))
            case Refuse(state=NamedState() as state):
                raise SimulatedRefusalError(self.dialect.state_error(state, self.world))
            case Retire(message=message) if message:
                response = self.dialect.unknown_model(model)
                raise SimulatedRefusalError(_with_message(response, message))
            case Retire():
                raise SimulatedRefusalError(self.dialect.unknown_model(model))
            case Hang():
                return await never_respond(request, self.world.closing)
            case Reset():
                return await reset_connection(request)
            case _:
                return None

    async def apply_faults(
        self, request: Request, endpoint: Endpoint, services: Iterable[str]
    ) -> Response | None:
        """Apply the first fault of several services, for an operation that concerns all of them."""
        for name in services:
            fault = self.world.draw_fault(name, endpoint)
            if response := await self.apply_fault(request, fault):
                return response
        return None


def _with_message(response: SimulatedResponse, message: str) -> SimulatedResponse:
    body = response.body
    if isinstance(body, dict) and isinstance(error := body.get("error"), dict):
        return SimulatedResponse(response.status, {**body, "error": {**error, "message": message}})
    return response
