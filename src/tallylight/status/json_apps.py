"""The JSON APIs below `/api`, and what describes them."""

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.errors import StorageError
from tallylight.status import api, statuspage
from tallylight.status.errors import DATABASE_UNAVAILABLE, error_response


def make_json_app(title: str, state: State) -> FastAPI:
    """Return the app with both APIs on it.

    Args:
        title: Of the page.
        state: What `make_app` has hung on the page's app.
    """
    app = FastAPI(
        title=title,
        version=version("tallylight"),
        summary="Which video service works now, what each did, and why we think so.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state = state
    app.include_router(api.api_router)
    app.include_router(statuspage.statuspage_router)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StorageError, _storage_error)
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    return error_response(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    sentences = [
        f"{'.'.join(str(part) for part in problem['loc'][1:])}: {problem['msg']}."
        for problem in problems
    ]
    return JSONResponse({"detail": " ".join(sentences)}, 422)


async def _storage_error(_request: Request, _: Exception) -> Response:
    return error_response(DATABASE_UNAVAILABLE)
