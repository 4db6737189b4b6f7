"""Whether we ourselves are well: for whoever restarts processes and routes requests to them."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.errors import StorageError
from tallylight.status.requests import context_of


async def healthz(_: Request) -> Response:
    """Say that the process is alive."""
    return JSONResponse({"alive": True})


async def readyz(request: Request) -> Response:
    """Say whether the database answers and this process does what its role asks; 503 if not."""
    state = context_of(request).sources
    try:
        await state.history.incidents(open_only=True, limit=1)
        database = "answers"
    except StorageError:
        database = "does not answer"
    is_judge, is_at_work = state.is_leader(), state.is_ready()
    ready = database == "answers" and is_at_work
    answer: dict[str, object] = {"ready": ready, "database": database}
    if is_judge:
        answer |= {"role": "judge", "probes": "running" if is_at_work else "not running"}
    else:
        answer |= {"role": "follower", "board": "followed" if is_at_work else "behind"}
    return JSONResponse(answer, 200 if ready else 503)
