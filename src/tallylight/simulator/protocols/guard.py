"""What stands before every operation: the key, the troubles of the moment, the headers."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from tallylight.simulator.answers import SimulatedResponse
from tallylight.simulator.connection import never_respond, reset_connection
from tallylight.simulator.faults import AnyFault, Endpoint, Hang, NamedState, Refuse, Reset, Retire
from tallylight.simulator.protocols.orders import InvalidRequestError
from tallylight.simulator.protocols.shapes import VideosDialect
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import Simulation

RouteHandler = Callable[[Request], Awaitable[Response]]


class SimulatedRefusal(Exception):
    """An operation that ends in a refusal."""

    def __init__(self, answer: SimulatedResponse) -> None:
        super().__init__(answer)
        self.response = answer


def bearer_token(request: Request) -> str:
    """Return the key of the Authorization header, "" if there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class RequestGuard:
    """The entrance of one upstream of the Videos API."""

    def __init__(self, world: Simulation, upstream: str, dialect: VideosDialect) -> None:
        self.world = world
        self.upstream = upstream
        self.dialect = dialect

    def wrap(self, handler: RouteHandler) -> RouteHandler:
        """Wrap a handler: refusals become answers, and every answer gets the dialect's headers."""

        async def enter(request: Request) -> Response:
            try:
                self._refuse_if_api_retired(request)
                response = await handler(request)
            except SimulatedRefusal as refused:
                response = refused.response.to_response()
            except InvalidRequestError as error:
                response = self.dialect.invalid_request(error).to_response()
            for name, value in self.dialect.headers(self.world).items():
                response.headers.setdefault(name, value)
            return response

        return enter

    def unknown_path_error(self, request: Request) -> SimulatedRefusal:
        """Return the refusal of a path that does not exist, without the simulator's prefix."""
        path = request.url.path.removeprefix(f"/{self.upstream}")
        return SimulatedRefusal(self.dialect.unknown_path(request.method, path))

    def _refuse_if_api_retired(self, request: Request) -> None:
        if "/videos" not in request.url.path:
            return
        for name in self.world.scenario.services_at(self.upstream):
            for trouble in self.world.active_faults(name):
                if isinstance(trouble, Retire) and trouble.with_api:
                    raise self.unknown_path_error(request)

    def authenticate(self, request: Request) -> ScenarioKey:
        """Return the caller's key.

        Raises:
            RefusedError: if the upstream does not know it.
        """
        given = bearer_token(request)
        known = self.world.find_key(self.upstream, given)
        if known is None:
            raise SimulatedRefusal(self.dialect.unauthorized(given))
        if known.state == "expired":
            raise SimulatedRefusal(self.dialect.state_error(NamedState.AUTH, self.world))
        return known

    def check_balance(self, key: ScenarioKey) -> None:
        """Stop a key without money before something that costs.

        Raises:
            RefusedError: if its wallet is empty.
        """
        if key.state == "exhausted":
            raise SimulatedRefusal(self.dialect.state_error(NamedState.QUOTA, self.world))

    async def apply_fault(
        self, request: Request, fault: AnyFault | None, model: str = ""
    ) -> Response | None:
        """Let trouble have its way with a request; None if the request goes through."""
        match fault:
            case Refuse(state=None):
                raise SimulatedRefusal(self.dialect.scripted_error(fault))
            case Refuse(state=NamedState() as sign):
                raise SimulatedRefusal(self.dialect.state_error(sign, self.world))
            case Retire(message=message) if message:
                answer = self.dialect.unknown_model(model)
                raise SimulatedRefusal(_with_message(answer, message))
            case Retire():
                raise SimulatedRefusal(self.dialect.unknown_model(model))
            case Hang():
                return await never_respond(request, self.world.closing)
            case Reset():
                return await reset_connection(request)
            case _:
                return None

    async def apply_faults(
        self, request: Request, endpoint: Endpoint, services: Iterable[str]
    ) -> Response | None:
        """Do the same where an operation concerns several services: the first trouble counts."""
        for name in services:
            response = await self.apply_fault(request, self.world.draw_fault(name, endpoint))
            if response is not None:
                return response
        return None


def _with_message(response: SimulatedResponse, message: str) -> SimulatedResponse:
    body = response.body
    if isinstance(body, dict) and isinstance(error := body.get("error"), dict):
        return SimulatedResponse(response.status, {**body, "error": {**error, "message": message}})
    return response
