"""Puts the faces together: one app, before which the gateway stands with its `/v1`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from tallylight.errors import StorageError
from tallylight.status import badges, event_stream, health, metrics, pages
from tallylight.status.errors import DATABASE_UNAVAILABLE, error_response
from tallylight.status.event_stream import EventBroadcaster
from tallylight.status.lazy_app import LazyApp
from tallylight.status.middleware import ResponseMiddleware
from tallylight.status.page_data import PageContext
from tallylight.status.ports import StatusSources
from tallylight.status.uptime_cache import UptimeCache

_JSON_PATHS = ("/api/", "/badge/", "/metrics", "/healthz", "/readyz")


def make_status_app(state: StatusSources) -> Starlette:
    """Return the app with every face on it.

    Whoever stops the server calls `close(app)` first, or open pages keep it waiting.
    """
    past = UptimeCache(state.history, state.clock)
    programs = LazyApp(lambda: _json_app(state.options.title, app.state))
    app = Starlette(
        routes=[*_routes(), Route("/api/{rest:path}", programs)],
        middleware=[Middleware(ResponseMiddleware)],
        exception_handlers={HTTPException: _http_error, StorageError: _storage_error},
        lifespan=_lifespan,
    )
    app.state.reading = PageContext(state, past)
    app.state.live = EventBroadcaster(state.board, past, state.options.listeners)
    return app


def _json_app(title: str, state: State) -> ASGIApp:
    # To read their models takes a fifth of the time in which a server starts.
    from tallylight.status.json_apps import make_json_app  # noqa: PLC0415

    return make_json_app(title, state)


def close_streams(app: Starlette) -> None:
    """Let every page that listens go, because the server stops."""
    listeners: EventBroadcaster = app.state.live
    listeners.close()


def _routes() -> list[Route | Mount]:
    return [
        Route("/", pages.index_page),
        Route("/overview", pages.overview_fragment),
        Route("/advice", pages.advice_fragment),
        Route("/services/{service}", pages.service_page),
        Route("/services/{service}/card", pages.service_card),
        Route("/incidents/{incident}", pages.incident_page),
        Route("/recommend", pages.recommendation_page),
        Route("/feed.atom", pages.atom_response),
        Route("/badge/{service}.svg", badges.badge_svg),
        Route("/badge/{service}.json", badges.badge_json),
        Route("/api/events", event_stream.event_stream),
        Route("/metrics", metrics.metrics_endpoint),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Mount("/static", StaticFiles(packages=[("tallylight.status", "static")])),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    listeners: EventBroadcaster = app.state.live
    async with asyncio.TaskGroup() as tasks:
        passing_on = tasks.create_task(listeners.run())
        yield
        listeners.close()
        passing_on.cancel()


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith(_JSON_PATHS)


async def _http_error(request: Request, error: Exception) -> Response:
    if _wants_json(request):
        return error_response(error)
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    response = pages.error_page(request, known.status_code)
    response.headers.update(known.headers or {})
    return response


async def _storage_error(request: Request, _: Exception) -> Response:
    return await _http_error(request, DATABASE_UNAVAILABLE)
