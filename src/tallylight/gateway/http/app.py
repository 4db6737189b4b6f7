"""ASGI middleware that serves `/v1` and passes the paths of the status page on to it.

It runs before the page's routing and middleware, which would only slow a poll down.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.http.auth import Authenticator
from tallylight.gateway.http.cors import is_preflight, preflight_headers, send_with_cors
from tallylight.gateway.http.downloads import Download, send_download
from tallylight.gateway.http.handlers import VideosApiHandlers
from tallylight.gateway.http.image_answers import ImagesAnswer, send_images
from tallylight.gateway.http.paths import (
    CREATE_PATH,
    canonical_path,
    is_api_path,
    similar_path,
)
from tallylight.gateway.http.request import ClientDisconnectedError, HttpRequest
from tallylight.gateway.http.response import ApiResponse, Header, api_error_response
from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.gateway.requests import ApiError
from tallylight.gateway.settings import GatewaySettings
from tallylight.model.ids import VideoId

log = structlog.get_logger()

HttpResponse = ApiResponse | Download | ImagesAnswer
RequestHandler = Callable[[HttpRequest, Caller], Awaitable[HttpResponse]]


class GatewayApp:
    """Serves the Videos API and reports every error in the API's error object."""

    def __init__(
        self,
        app: ASGIApp,
        gateway: Gateway,
        keys: KeyRegistry,
        settings: Callable[[], GatewaySettings],
        clock: Clock,
    ) -> None:
        self._app = app
        self._settings = settings
        self._authenticator = Authenticator(keys, settings)
        api = self._api = VideosApiHandlers(gateway, settings, clock)
        self._handlers_by_path: Mapping[str, Mapping[str, RequestHandler]] = {
            CREATE_PATH: {"POST": api.create, "GET": api.list_videos},
            "/v1/videos/edits": {"POST": api.edit},
            "/v1/videos/extensions": {"POST": api.extend},
            "/v1/videos/characters": {"POST": api.create_character},
            "/v1/images/generations": {"POST": api.generate_images},
            "/v1/images/edits": {"POST": api.edit_images},
            "/v1/models": {"GET": lambda _, caller: api.models(caller)},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass it on if its path is neither under `/v1` nor similar."""
        path = canonical_path(scope["path"]) if scope["type"] == "http" else ""
        if not is_api_path(path):
            await self._app(scope, receive, send)
            return
        request = HttpRequest.from_scope(scope, receive, send)
        if allowed := self._settings().allowed_origins:
            request = replace(request, send=send_with_cors(request, allowed))
        try:
            response = await self._respond(request, path)
            if isinstance(response, Download):
                await send_download(response, request)
                return
            if isinstance(response, ImagesAnswer):
                await send_images(response, request)
                return
        except ClientDisconnectedError:
            return
        except ApiError as error:
            response = api_error_response(error)
        except StorageError as error:
            log.warning("gateway.storage_unavailable", error=str(error))
            response = api_error_response(_STORAGE_UNAVAILABLE)
        except Exception:  # root of a request: the client gets a 500, the log the cause
            log.exception(
                "gateway.internal_error", path=request.path, request=request.request_id.decode()
            )
            response = api_error_response(_INTERNAL_ERROR)
        await _send(response, request)

    async def _respond(self, request: HttpRequest, path: str) -> HttpResponse:
        handlers = self._handlers_for(path)
        if is_preflight(request):
            headers = preflight_headers(request, self._settings().allowed_origins)
            return ApiResponse(b"", headers, HTTPStatus.NO_CONTENT)
        if handlers is None:
            raise self._unknown_path(request, path)
        if request.method == "OPTIONS":
            return ApiResponse(b"", (_allow_header(handlers),), HTTPStatus.NO_CONTENT)
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return _method_not_allowed(request, handlers)
        caller = await self._authenticator.authenticate(request)
        # Polls, lists and downloads cost nothing, so only POST counts against the rate limit.
        if request.method == "POST":
            self._authenticator.check_rate_limit(caller)
        return await handler(request, caller)

    def _unknown_path(self, request: HttpRequest, path: str) -> ApiError:
        similar = similar_path(path)
        is_known = similar and self._handlers_for(similar) is not None
        advice = (
            f"Did you mean {similar[:200]}?"
            if is_known
            else f"The paths of this gateway begin with {CREATE_PATH}, /v1/images and /v1/models."
        )
        return ApiError(
            HTTPStatus.NOT_FOUND, f"Invalid URL ({request.method} {request.path[:200]}). {advice}"
        )

    def _handlers_for(self, path: str) -> Mapping[str, RequestHandler] | None:
        """Return the handlers of a path by method; None for an unknown path."""
        if "\x00" in path:  # PostgreSQL stores no NUL in text
            return None
        return self._handlers_by_path.get(path) or self._item_handlers(path.split("/")[2:])

    def _item_handlers(self, parts: list[str]) -> Mapping[str, RequestHandler] | None:
        api = self._api
        match parts:
            case ["videos", id_] if id_:
                return {
                    "GET": lambda _, caller: api.retrieve(caller, VideoId(id_)),
                    "DELETE": lambda _, caller: api.delete(caller, VideoId(id_)),
                }
            case ["videos", "characters", id_] if id_:
                return {"GET": lambda _, caller: api.character(caller, id_)}
            case ["videos", id_, "content"] if id_:
                return {"GET": lambda request, caller: api.content(request, caller, VideoId(id_))}
            case ["videos", id_, "remix"] if id_:
                return {"POST": lambda request, caller: api.remix(request, caller, VideoId(id_))}
            # Names of routes may contain slashes, as "openai/sora-2" does.
            case ["models", *names] if all(names):
                return {"GET": lambda _, caller: api.model(caller, "/".join(names))}
            case _:
                return None


_STORAGE_UNAVAILABLE = ApiError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The gateway cannot reach its database; try again soon.",
    code="storage_unavailable",
)
_INTERNAL_ERROR = ApiError(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The gateway had an error while processing your request; its log says more.",
    code="server_error",
)


def _method_not_allowed(
    request: HttpRequest, handlers: Mapping[str, RequestHandler]
) -> ApiResponse:
    advice = f" Videos are created by POST {CREATE_PATH}." if request.method == "POST" else ""
    error = api_error_response(
        ApiError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"Not allowed to {request.method} on {request.path[:200]}.{advice}",
            code="method_not_allowed",
        )
    )
    return ApiResponse(error.body, (*error.headers, _allow_header(handlers)), error.status)


def _allow_header(handlers: Mapping[str, RequestHandler]) -> Header:
    methods = {*handlers, "OPTIONS", *({"HEAD"} if "GET" in handlers else ())}
    return (b"allow", ", ".join(sorted(methods)).encode("ascii"))


async def _send(response: ApiResponse, request: HttpRequest) -> None:
    headers = [*response.all_headers(), (b"x-request-id", request.request_id)]
    await request.send(
        {"type": "http.response.start", "status": response.status, "headers": headers}
    )
    # HEAD keeps the content-length of the body that GET would return.
    body = b"" if request.method == "HEAD" else response.body
    await request.send({"type": "http.response.body", "body": body})
