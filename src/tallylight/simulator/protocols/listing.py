"""The list of jobs, a page at a time; it may lie."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.simulator.faults import Endpoint, IncompleteList
from tallylight.simulator.protocols.guard import RequestGuard, RouteHandler
from tallylight.simulator.protocols.orders import InvalidRequestError
from tallylight.simulator.world import SimulatedJob

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


def list_handler(guard: RequestGuard) -> RouteHandler:
    """Return the handler that lists an upstream's jobs, newest first unless asked otherwise."""
    world, shape = guard.world, guard.dialect

    async def answer(request: Request) -> Response:
        guard.authenticate(request)
        jobs = [job for job in world.jobs.values() if job.upstream == guard.upstream]
        for name in world.scenario.services_at(guard.upstream):
            trouble = world.draw_fault(name, Endpoint.LIST)
            if obstructed := await guard.apply_fault(request, trouble):
                return obstructed
            if isinstance(trouble, IncompleteList):
                jobs = _omit_jobs(jobs, name, trouble)
        limit = _parse_limit(request.query_params.get("limit", str(_DEFAULT_LIMIT)))
        rest = _after_cursor(_ordered(jobs, request.query_params.get("order", "desc")), request)
        page = rest[:limit]
        return JSONResponse(
            {
                "object": "list",
                "data": [shape.job_object(world, job) for job in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": len(rest) > len(page),
            }
        )

    return answer


def _omit_jobs(jobs: list[SimulatedJob], service: str, fault: IncompleteList) -> list[SimulatedJob]:
    own = [job for job in jobs if job.service == service]
    hidden = own[-1:] if fault.omits == "newest" else own
    return [job for job in jobs if job not in hidden]


def _ordered(jobs: list[SimulatedJob], order: str) -> list[SimulatedJob]:
    if order not in {"asc", "desc"}:
        raise InvalidRequestError(
            f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.",
            "order",
            "invalid_value",
        )
    return jobs if order == "asc" else jobs[::-1]


def _after_cursor(jobs: list[SimulatedJob], request: Request) -> list[SimulatedJob]:
    after = request.query_params.get("after")
    if after is None:
        return jobs
    for place, job in enumerate(jobs):
        if job.id == after:
            return jobs[place + 1 :]
    raise InvalidRequestError(f"No video found with id '{after}'.", "after", "invalid_value")


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_LIMIT:
        raise InvalidRequestError(
            f"Invalid value: '{text}'. 'limit' must be an integer from 0 to {_MAX_LIMIT}.",
            "limit",
            "invalid_value",
        )
    return int(text)
