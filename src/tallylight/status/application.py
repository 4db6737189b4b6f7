"""Assembles the status app: pages, JSON APIs, feeds, calendars, badges, metrics, health checks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from tallylight.errors import StorageError
from tallylight.status import (
    badges,
    calendars,
    event_stream,
    health,
    incident_feeds,
    metrics,
    pages,
)
from tallylight.status.errors import http_error_of, json_error
from tallylight.status.event_stream import EventBroadcaster
from tallylight.status.middleware import ResponseMiddleware
from tallylight.status.options import StatusOptions
from tallylight.status.ports import StatusSources
from tallylight.status.requests import PageContext
from tallylight.status.uptime_cache import UptimeCache

_MIN_COMPRESSED_BYTES = 1000  # a shorter body fits into one packet
_JSON_PATHS = ("/api/", "/badge/", "/metrics", "/healthz", "/readyz")


def make_status_app(sources: StatusSources) -> Starlette:
    """Return the app that serves everything but the gateway's `/v1`.

    Call `close_streams(app)` before stopping its server: open event streams keep a server waiting.
    """
    uptime_cache = UptimeCache(sources.history, sources.clock)
    json_apps = _LazyApp(lambda: _json_app(sources.options, app.state))
    app = Starlette(
        routes=[*_routes(), Route("/api/{rest:path}", json_apps)],
        middleware=[
            Middleware(GZipMiddleware, minimum_size=_MIN_COMPRESSED_BYTES, compresslevel=6),
            Middleware(ResponseMiddleware, sources),
        ],
        exception_handlers={HTTPException: _http_error, StorageError: _http_error},
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False  # the middleware does it, below our prefix
    app.state.context = PageContext(sources, uptime_cache)
    app.state.database_probe = health.DatabaseProbe(sources.history, sources.clock)
    app.state.broadcaster = EventBroadcaster(sources.board, uptime_cache, sources.options.listeners)
    return app


def _json_app(options: StatusOptions, state: State) -> ASGIApp:
    # Importing FastAPI and the response models takes a fifth of a server's start.
    from tallylight.status.json_apps import make_json_app  # noqa: PLC0415

    return make_json_app(options.title, options.prefix, state)


def close_streams(app: Starlette) -> None:
    """End all event streams, because the server stops."""
    broadcaster: EventBroadcaster = app.state.broadcaster
    broadcaster.close()


def _routes() -> list[Route | Mount]:
    return [
        Route("/", pages.index_page),
        Route("/overview", pages.overview_fragment),
        Route("/advice", pages.advice_fragment),
        Route("/services/{service}", pages.service_page),
        Route("/services/{service}/card", pages.service_card),
        Route("/incidents/{incident}", pages.incident_page),
        Route("/recommend", pages.recommendation_page),
        Route("/report", pages.report_page),
        Route("/feed.{notation}", incident_feeds.site_feed),
        Route("/services/{service}/feed.{notation}", incident_feeds.service_feed),
        Route("/calendar.ics", calendars.site_calendar),
        Route("/services/{service}/calendar.ics", calendars.service_calendar),
        Route("/badge/{service}.svg", badges.badge_svg),
        Route("/badge/{service}.json", badges.badge_json),
        Route("/badge/{service}/{figure}.svg", badges.badge_svg),
        Route("/badge/{service}/{figure}.json", badges.badge_json),
        Route("/api/events", event_stream.event_stream),
        Route("/metrics", metrics.metrics_endpoint),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Mount("/static", StaticFiles(packages=[("tallylight.status", "static")])),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    broadcaster: EventBroadcaster = app.state.broadcaster
    async with asyncio.TaskGroup() as tasks:
        broadcasting = tasks.create_task(broadcaster.run())
        yield
        broadcaster.close()
        broadcasting.cancel()


async def _http_error(request: Request, error: Exception) -> Response:
    if request.scope["path"].startswith(_JSON_PATHS):
        return await json_error(request, error)
    http_error = http_error_of(error)
    response = pages.error_page(request, http_error.status_code)
    response.headers.update(http_error.headers or {})
    return response


class _LazyApp:
    """An ASGI app that is made, in a thread, when it is first called."""

    def __init__(self, factory: Callable[[], ASGIApp]) -> None:
        self._factory = factory
        self._app: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, making the app first if need be."""
        if self._app is None:
            self._app = asyncio.ensure_future(asyncio.to_thread(self._factory))
        # A client that disconnects must not cancel the making for everybody.
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)
