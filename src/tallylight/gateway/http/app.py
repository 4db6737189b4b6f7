"""The doors as an ASGI middleware: `/v1` goes in here, all else to the page behind.

It stands before the page's routing and manners, which a poll would pay for and does not need.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.api import GatewayPort, KeysPort
from tallylight.gateway.http.auth import Callers
from tallylight.gateway.http.body import GoneError
from tallylight.gateway.http.downloads import Download, Unchanged, confirm, deliver
from tallylight.gateway.http.handlers import Operations
from tallylight.gateway.http.request import Call
from tallylight.gateway.http.response import Answer, Header, refusal
from tallylight.gateway.http.settings import DoorTerms
from tallylight.gateway.keys import Caller
from tallylight.gateway.requests import RefusalError
from tallylight.model.ids import VideoId

log = structlog.get_logger()

Reply = Answer | Download | Unchanged
Handler = Callable[[Call, Caller], Awaitable[Reply]]


class Doors:
    """Serves the Videos API; whatever goes wrong is told in its envelope."""

    def __init__(
        self, app: ASGIApp, gateway: GatewayPort, keys: KeysPort, terms: DoorTerms, clock: Clock
    ) -> None:
        self._app = app
        self._callers = Callers(keys, terms)
        of = self._operations = Operations(gateway, terms, clock)
        self._fixed: Mapping[str, Mapping[str, Handler]] = {
            "/v1/videos": {"POST": of.create, "GET": of.listed},
            "/v1/videos/edits": {"POST": of.edit},
            "/v1/videos/extensions": {"POST": of.extend},
            "/v1/videos/characters": {"POST": of.create_character},
            "/v1/models": {"GET": lambda _, caller: of.models(caller)},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not _is_ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        call = Call.of(scope, receive, send)
        try:
            reply = await self._reply(call)
            if isinstance(reply, Download):
                await deliver(reply, call)
                return
            if isinstance(reply, Unchanged):
                await confirm(reply, call)
                return
        except GoneError:
            return
        except RefusalError as error:
            reply = refusal(error)
        except StorageError as error:
            log.warning("gateway.storage", error=str(error))
            reply = refusal(_STORAGE)
        except Exception:  # a request's root: its client is told, and the log says why
            log.exception("gateway.defect", path=call.path, request=call.request_id.decode())
            reply = refusal(_DEFECT)
        await _send(reply, call)

    async def _reply(self, call: Call) -> Reply:
        handlers = self._handlers(call.path)
        if handlers is None:
            raise RefusalError(
                HTTPStatus.NOT_FOUND, f"Invalid URL ({call.method} {call.path[:200]})"
            )
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            return _not_allowed(call, handlers)
        caller = await self._callers.of(call)
        if call.method == "POST":
            self._callers.count(caller)
        return await handler(call, caller)

    def _handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Return what a path offers, by method; None for a path that is none."""
        if "\x00" in path:  # which PostgreSQL takes in no text
            return None
        return self._fixed.get(path) or self._of_one(path.split("/")[2:])

    def _of_one(self, parts: list[str]) -> Mapping[str, Handler] | None:
        of = self._operations
        match parts:
            case ["videos", id_] if id_:
                return {
                    "GET": lambda _, caller: of.retrieve(caller, VideoId(id_)),
                    "DELETE": lambda _, caller: of.delete(caller, VideoId(id_)),
                }
            case ["videos", "characters", id_] if id_:
                return {"GET": lambda _, caller: of.character(caller, id_)}
            case ["videos", id_, "content"] if id_:
                return {"GET": lambda call, caller: of.content(call, caller, VideoId(id_))}
            case ["videos", id_, "remix"] if id_:
                return {"POST": lambda call, caller: of.remix(call, caller, VideoId(id_))}
            case ["models", *names] if all(names):
                return {"GET": lambda _, caller: of.model(caller, "/".join(names))}
            case _:
                return None


_STORAGE = RefusalError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The gateway cannot reach its database; try again soon.",
    code="storage_unavailable",
)
_DEFECT = RefusalError(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The gateway had an error while processing your request; its log says more.",
    code="server_error",
)


def _is_ours(path: str) -> bool:
    return path.startswith("/v1/") or path == "/v1"


def _not_allowed(call: Call, handlers: Mapping[str, Handler]) -> Answer:
    answer = refusal(
        RefusalError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"Not allowed to {call.method} on {call.path[:200]}.",
            code="method_not_allowed",
        )
    )
    allowed: Header = (b"allow", ", ".join(sorted(handlers)).encode("ascii"))
    return Answer(answer.body, (*answer.headers, allowed), answer.status)


async def _send(answer: Answer, call: Call) -> None:
    headers = [*answer.head(), (b"x-request-id", call.request_id)]
    await call.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if call.method == "HEAD" else answer.body
    await call.send({"type": "http.response.body", "body": body})
