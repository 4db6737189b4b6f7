"""What stands before every operation: the key, the troubles of the moment, the headers."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from tallylight.simulator.answers import Answer
from tallylight.simulator.connection import reset, silence
from tallylight.simulator.faults import AnyTrouble, Door, Hang, Refuse, Reset, Retire, Sign
from tallylight.simulator.protocols.orders import InvalidError
from tallylight.simulator.protocols.shapes import Shape
from tallylight.simulator.scenario import Key
from tallylight.simulator.world import World

Handler = Callable[[Request], Awaitable[Response]]


class RefusedError(Exception):
    """An operation that ends in a refusal."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def bearer(request: Request) -> str:
    """Return the key of the Authorization header, "" if there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class Gate:
    """The entrance of one upstream of the Videos API."""

    def __init__(self, world: World, upstream: str, shape: Shape) -> None:
        self.world = world
        self.upstream = upstream
        self.shape = shape

    def guarded(self, handler: Handler) -> Handler:
        """Wrap a handler: refusals become answers, and every answer gets the dialect's headers."""

        async def enter(request: Request) -> Response:
            try:
                self._stop_if_gone(request)
                response = await handler(request)
            except RefusedError as refused:
                response = refused.answer.response()
            except InvalidError as error:
                response = self.shape.invalid(error).response()
            for name, value in self.shape.headers(self.world).items():
                response.headers.setdefault(name, value)
            return response

        return enter

    def unknown_path(self, request: Request) -> RefusedError:
        """Return the refusal of a path that does not exist, without the simulator's prefix."""
        path = request.url.path.removeprefix(f"/{self.upstream}")
        return RefusedError(self.shape.unknown_path(request.method, path))

    def _stop_if_gone(self, request: Request) -> None:
        if "/videos" not in request.url.path:
            return
        for name in self.world.scenario.sold_at(self.upstream):
            for trouble in self.world.troubles(name):
                if isinstance(trouble, Retire) and trouble.with_api:
                    raise self.unknown_path(request)

    def key(self, request: Request) -> Key:
        """Return the caller's key.

        Raises:
            RefusedError: if the upstream does not know it.
        """
        given = bearer(request)
        known = self.world.known_key(self.upstream, given)
        if known is None:
            raise RefusedError(self.shape.unauthorized(given))
        if known.state == "expired":
            raise RefusedError(self.shape.signed(Sign.AUTH, self.world))
        return known

    def pay(self, key: Key) -> None:
        """Stop a key without money before something that costs.

        Raises:
            RefusedError: if its wallet is empty.
        """
        if key.state == "exhausted":
            raise RefusedError(self.shape.signed(Sign.QUOTA, self.world))

    async def obstruct(
        self, request: Request, trouble: AnyTrouble | None, model: str = ""
    ) -> Response | None:
        """Let trouble have its way with a request; None if the request goes through."""
        match trouble:
            case Refuse(sign=None):
                raise RefusedError(self.shape.spoken(trouble))
            case Refuse(sign=Sign() as sign):
                raise RefusedError(self.shape.signed(sign, self.world))
            case Retire(message=message) if message:
                answer = self.shape.unknown_model(model)
                raise RefusedError(_reworded(answer, message))
            case Retire():
                raise RefusedError(self.shape.unknown_model(model))
            case Hang():
                return await silence(request, self.world.closing)
            case Reset():
                return await reset(request)
            case _:
                return None

    async def obstruct_any(
        self, request: Request, door: Door, services: Iterable[str]
    ) -> Response | None:
        """Do the same where an operation concerns several services: the first trouble counts."""
        for name in services:
            response = await self.obstruct(request, self.world.struck(name, door))
            if response is not None:
                return response
        return None


def _reworded(answer: Answer, message: str) -> Answer:
    body = answer.body
    if isinstance(body, dict) and isinstance(error := body.get("error"), dict):
        return Answer(answer.status, {**body, "error": {**error, "message": message}})
    return answer
