"""Error responses of the JSON APIs: one sentence under `detail`."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.errors import StorageError


def http_error_of(error: Exception) -> HTTPException:
    """Return an error as HTTP knows it; one of our own code is not described to the client."""
    if isinstance(error, StorageError):
        return HTTPException(
            503, "The database does not answer; try again soon.", {"Retry-After": "10"}
        )
    return error if isinstance(error, HTTPException) else HTTPException(500, "")


async def json_error(_: Request, error: Exception) -> Response:
    """Answer an error."""
    http_error = http_error_of(error)
    return JSONResponse({"detail": http_error.detail}, http_error.status_code, http_error.headers)
