"""Puts the faces together: one app, before which the gateway stands with its `/v1`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallylight.errors import StorageError
from tallylight.status import api, badges, health, live, metrics, pages, statuspage
from tallylight.status.live import Live
from tallylight.status.manners import Manners
from tallylight.status.past import Past
from tallylight.status.ports import StatusState
from tallylight.status.reading import Reading

_JSON_PATHS = ("/api/", "/badge/", "/metrics", "/healthz", "/readyz")


def make_app(state: StatusState) -> FastAPI:
    """Return the app with every face on it.

    Whoever stops the server calls `close(app)` first, or open pages keep it waiting.
    """
    past = Past(state.history, state.clock)
    listeners = Live(state.board, past, state.options.listeners)
    app = FastAPI(
        title=state.options.title,
        version=version("tallylight"),
        summary="Which video service works now, what each did, and why we think so.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.reading = Reading(state, past)
    app.state.live = listeners
    app.include_router(api.router)
    app.include_router(statuspage.router)
    app.router.routes.extend(_routes())
    app.add_middleware(Manners)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StorageError, _storage_error)
    return app


def close(app: FastAPI) -> None:
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
        Route("/api/events", live.events),
        Route("/metrics", metrics.metrics),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Mount("/static", StaticFiles(packages=[("tallylight.status", "static")])),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    listeners: Live = app.state.live
    async with asyncio.TaskGroup() as tasks:
        passing_on = tasks.create_task(listeners.run())
        yield
        listeners.close()
        passing_on.cancel()


def _is_for_programs(request: Request) -> bool:
    return request.url.path.startswith(_JSON_PATHS)


async def _http_error(request: Request, error: Exception) -> Response:
    status, told = 500, ""
    headers = None
    if isinstance(error, HTTPException):
        status, told, headers = error.status_code, error.detail, error.headers
    if _is_for_programs(request):
        return JSONResponse({"detail": told}, status, headers)
    response = pages.error_page(request, status)
    response.headers.update(headers or {})
    return response


async def _validation_error(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    sentences = [
        f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}."
        for problem in problems
    ]
    return JSONResponse({"detail": " ".join(sentences)}, 422)


async def _storage_error(request: Request, _: Exception) -> Response:
    told = HTTPException(
        503, "The database does not answer; try again soon.", {"Retry-After": "10"}
    )
    return await _http_error(request, told)
