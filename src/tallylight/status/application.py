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
from tallylight.status.errors import NO_DATABASE, refusal
from tallylight.status.event_stream import Live
from tallylight.status.lazy_app import Belated
from tallylight.status.middleware import Manners
from tallylight.status.page_data import Reading
from tallylight.status.ports import StatusState
from tallylight.status.uptime_cache import Past

_JSON_PATHS = ("/api/", "/badge/", "/metrics", "/healthz", "/readyz")


def make_app(state: StatusState) -> Starlette:
    """Return the app with every face on it.

    Whoever stops the server calls `close(app)` first, or open pages keep it waiting.
    """
    past = Past(state.history, state.clock)
    programs = Belated(lambda: _programs(state.options.title, app.state))
    app = Starlette(
        routes=[*_routes(), Route("/api/{rest:path}", programs)],
        middleware=[Middleware(Manners)],
        exception_handlers={HTTPException: _http_error, StorageError: _storage_error},
        lifespan=_lifespan,
    )
    app.state.reading = Reading(state, past)
    app.state.live = Live(state.board, past, state.options.listeners)
    return app


def _programs(title: str, state: State) -> ASGIApp:
    # To read their models takes a fifth of the time in which a server starts.
    from tallylight.status.json_apps import make_programs  # noqa: PLC0415

    return make_programs(title, state)


def close(app: Starlette) -> None:
    """Let every page that listens go, because the server stops."""
    listeners: Live = app.state.live
    listeners.close()


def _routes() -> list[Route | Mount]:
    return [
        Route("/", pages.index),
        Route("/overview", pages.overview_line),
        Route("/advice", pages.advice),
        Route("/services/{service}", pages.service),
        Route("/services/{service}/card", pages.card),
        Route("/incidents/{incident}", pages.incident),
        Route("/recommend", pages.recommend),
        Route("/feed.atom", pages.feed),
        Route("/badge/{service}.svg", badges.badge_svg),
        Route("/badge/{service}.json", badges.badge_json),
        Route("/api/events", event_stream.events),
        Route("/metrics", metrics.metrics),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Mount("/static", StaticFiles(packages=[("tallylight.status", "static")])),
    ]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    listeners: Live = app.state.live
    async with asyncio.TaskGroup() as tasks:
        passing_on = tasks.create_task(listeners.run())
        yield
        listeners.close()
        passing_on.cancel()


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith(_JSON_PATHS)


async def _http_error(request: Request, error: Exception) -> Response:
    if _is_for_programs(request):
        return refusal(error)
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    response = pages.error_page(request, known.status_code)
    response.headers.update(known.headers or {})
    return response


async def _storage_error(request: Request, _: Exception) -> Response:
    return await _http_error(request, NO_DATABASE)
