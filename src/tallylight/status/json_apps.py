"""The JSON APIs below `/api` and their OpenAPI description."""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.errors import StorageError
from tallylight.status import api, statuspage
from tallylight.status.errors import json_error


def make_json_app(title: str, prefix: str, state: State) -> FastAPI:
    """Return the app that serves both JSON APIs, with the state of the app around it."""
    app = FastAPI(
        title=title,
        version=version("tallylight"),
        summary="Which video service works now, its history, and the reasons for its status.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # the middleware does it, below our prefix
        servers=[{"url": prefix}] if prefix else None,
    )
    app.state = state
    app.include_router(api.api_router)
    app.include_router(statuspage.statuspage_router)
    app.add_exception_handler(HTTPException, json_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StorageError, json_error)
    return app


async def _validation_error(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    sentences = [
        f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}."
        for problem in problems
    ]
    return JSONResponse({"detail": " ".join(sentences)}, 422)
