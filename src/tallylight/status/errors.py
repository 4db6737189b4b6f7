"""What programs are told in place of an answer: one sentence in JSON."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

DATABASE_UNAVAILABLE = HTTPException(
    503, "The database does not answer; try again soon.", {"Retry-After": "10"}
)


def error_response(error: Exception) -> JSONResponse:
    """Return what an error tells a program; of a defect of ours nothing but that."""
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    return JSONResponse({"detail": ""}, 500)
