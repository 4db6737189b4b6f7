"""Error responses of the JSON APIs: one sentence under `detail`."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

DATABASE_UNAVAILABLE = HTTPException(
    503, "The database does not answer; try again soon.", {"Retry-After": "10"}
)


async def json_error(_: Request, error: Exception) -> Response:
    """Answer an HTTP error; an error of our own code is not described to the client."""
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    return JSONResponse({"detail": ""}, 500)


async def json_storage_error(request: Request, _: Exception) -> Response:
    """Answer that the database is unavailable."""
    return await json_error(request, DATABASE_UNAVAILABLE)
