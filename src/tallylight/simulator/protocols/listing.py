"""The list of jobs, a page at a time; it may lie."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.simulator.faults import Door, ListLie
from tallylight.simulator.protocols.guard import Gate, Handler
from tallylight.simulator.protocols.orders import InvalidError
from tallylight.simulator.world import Job

_DEFAULT, _LIMIT = 20, 100


def listing(gate: Gate) -> Handler:
    """Return the handler that lists an upstream's jobs, newest first unless asked otherwise."""
    world, shape = gate.world, gate.shape

    async def answer(request: Request) -> Response:
        gate.key(request)
        jobs = [job for job in world.jobs.values() if job.upstream == gate.upstream]
        for name in world.scenario.sold_at(gate.upstream):
            trouble = world.struck(name, Door.LIST)
            if obstructed := await gate.obstruct(request, trouble):
                return obstructed
            if isinstance(trouble, ListLie):
                jobs = _belied(jobs, name, trouble)
        limit = _limit(request.query_params.get("limit", str(_DEFAULT)))
        rest = _after(_ordered(jobs, request.query_params.get("order", "desc")), request)
        page = rest[:limit]
        return JSONResponse(
            {
                "object": "list",
                "data": [shape.job(world, job) for job in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": len(rest) > len(page),
            }
        )

    return answer


def _belied(jobs: list[Job], service: str, lie: ListLie) -> list[Job]:
    own = [job for job in jobs if job.service == service]
    hidden = own[-1:] if lie.hides == "newest" else own
    return [job for job in jobs if job not in hidden]


def _ordered(jobs: list[Job], order: str) -> list[Job]:
    if order not in {"asc", "desc"}:
        raise InvalidError(
            f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.",
            "order",
            "invalid_value",
        )
    return jobs if order == "asc" else jobs[::-1]


def _after(jobs: list[Job], request: Request) -> list[Job]:
    after = request.query_params.get("after")
    if after is None:
        return jobs
    for place, job in enumerate(jobs):
        if job.id == after:
            return jobs[place + 1 :]
    raise InvalidError(f"No video found with id '{after}'.", "after", "invalid_value")


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) > _LIMIT:
        raise InvalidError(
            f"Invalid value: '{text}'. 'limit' must be an integer from 0 to {_LIMIT}.",
            "limit",
            "invalid_value",
        )
    return int(text)
