"""Whether we ourselves are well: for whoever restarts processes and routes requests to them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.errors import StorageError
from tallylight.status.requests import reading_of


async def healthz(_: Request) -> Response:
    """Say that the process is alive."""
    return JSONResponse({"alive": True})


async def readyz(request: Request) -> Response:
    """Say whether the database answers and the probes are running; 503 if not."""
    state = reading_of(request).state
    try:
        await state.history.incidents(open_only=True, limit=1)
        database = "answers"
    except StorageError:
        database = "does not answer"
    probes = "running" if state.is_probing() else "not running"
    ready = (database, probes) == ("answers", "running")
    return JSONResponse(
        {"ready": ready, "database": database, "probes": probes}, 200 if ready else 503
    )
