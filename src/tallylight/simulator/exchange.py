"""From a handler to a route: refusals become responses, and faults strike the connection."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallylight.simulator.connection import CutResponse, never_respond, reset_connection
from tallylight.simulator.faults import AnswerLate, Cut, Mislabel
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.refusals import (
    DroppedConnectionError,
    ExpiredKeyError,
    InvalidRequestError,
    NamedStateError,
    NoAnswerError,
    NoContentError,
    NotReadyError,
    RefusalError,
    ResultLateError,
    ScriptedRefusalError,
    UnknownJobError,
    UnknownKeyError,
    UnknownModelError,
    UnknownPathError,
)
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts

Handler = Callable[[Exchange], Awaitable[Response]]

_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class RouteMaker:
    """Makes the routes of one upstream."""

    def __init__(self, kernel: Kernel, texts: RefusalTexts) -> None:
        self._kernel = kernel
        self._texts = texts

    def route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """Return a route of the API, which is unknown while the API is retired."""

        async def unless_retired(exchange: Exchange) -> Response:
            self._kernel.refuse_if_retired()
            return await handler(exchange)

        return Route(path, self._endpoint(unless_retired), methods=[method])

    def check_route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """Return a route that concerns all services, such as the list of models."""

        async def unless_struck(exchange: Exchange) -> Response:
            self._kernel.check(exchange)
            return await handler(exchange)

        return Route(path, self._endpoint(unless_struck), methods=[method])

    def file_route(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """Return a route of a server of its own, as a file store, which outlives the API."""
        return Route(path, self._endpoint(handler), methods=[method])

    def unknown_paths(self) -> Route:
        """Return the route that refuses all other paths in the protocol's text."""

        async def refuse(_: Exchange) -> Response:
            raise UnknownPathError

        return Route("/{rest:path}", self._endpoint(refuse), methods=_ALL_METHODS)

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            exchange = Exchange(request)
            try:
                response = await handler(exchange)
            except NoAnswerError:
                return await never_respond(request, self._kernel.world.closing)
            except DroppedConnectionError:
                return await reset_connection(request)
            except RefusalError as refusal:
                response = self._refused(refusal, request).to_response()
            for name, value in self._texts.headers(self._kernel.world).items():
                response.headers.setdefault(name, value)
            return await self._struck(exchange, response)

        return handle

    async def _struck(self, exchange: Exchange, response: Response) -> Response:
        """Return a response as the faults of its request let it arrive."""
        for fault in exchange.faults:
            match fault:
                case AnswerLate():
                    await self._kernel.world.clock.sleep(fault.after)
                case Mislabel():
                    response.headers["content-type"] = fault.media_type
                case Cut():
                    response = CutResponse(response, fault.at / 100)
                case _:  # it concerns the job
                    pass
        return response

    def _refused(self, refusal: RefusalError, request: Request) -> SimulatedResponse:  # noqa: PLR0911  # a table
        texts, world = self._texts, self._kernel.world
        match refusal:
            case UnknownKeyError():
                return texts.unauthorized(refusal.given)
            case ExpiredKeyError():
                return texts.expired_key(refusal.given, world)
            case NamedStateError():
                return texts.state_error(refusal.state, world)
            case ScriptedRefusalError():
                return texts.scripted_error(refusal.fault)
            case UnknownModelError():
                return _with_message(texts.unknown_model(refusal.model), refusal.message)
            case UnknownJobError():
                return texts.unknown_job(refusal.job_id)
            case InvalidRequestError():
                return texts.invalid_request(refusal)
            case NotReadyError() | NoContentError() | ResultLateError():
                return self._without_result(refusal)
            case _:
                # The path is named without the simulator's prefix.
                path = request.url.path.removeprefix(f"/{self._kernel.upstream}")
                return texts.unknown_path(request.method, path)

    def _without_result(
        self, refusal: NotReadyError | NoContentError | ResultLateError
    ) -> SimulatedResponse:
        match refusal:
            case NotReadyError():
                return self._texts.not_ready(refusal.job, refusal.status)
            case NoContentError():
                return self._texts.no_content(refusal.job)
            case ResultLateError():
                return self._texts.result_late(refusal.job)


def _with_message(response: SimulatedResponse, message: str) -> SimulatedResponse:
    """Return a refusal with another text, wherever its envelope has it."""
    body = response.body
    if not message or not isinstance(body, dict):
        return response
    match body:
        case {"error": dict(error)}:
            return replace(response, body={**body, "error": {**error, "message": message}})
        case {"detail": str()}:
            return replace(response, body={**body, "detail": message})
        case _:
            return replace(response, body={**body, "message": message})
