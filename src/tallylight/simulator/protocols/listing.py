"""The paginated list of jobs; a fault may omit some."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.simulator.faults import Endpoint, IncompleteList
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.protocols.guard import RequestGuard, RouteHandler
from tallylight.simulator.protocols.request_fields import InvalidRequestError

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


def list_handler(guard: RequestGuard) -> RouteHandler:
    """Return the handler that lists an upstream's jobs, by default newest first."""
    world, dialect = guard.world, guard.dialect

    async def handle(request: Request) -> Response:
        guard.authenticate(request)
        jobs = [job for job in world.jobs.values() if job.upstream == guard.upstream]
        for name in world.scenario.services_at(guard.upstream):
            fault = world.draw_fault(name, Endpoint.LIST)
            if response := await guard.apply_fault(request, fault):
                return response
            if isinstance(fault, IncompleteList):
                jobs = _omit_jobs(jobs, name, fault)
        limit = _parse_limit(request.query_params.get("limit", str(_DEFAULT_LIMIT)))
        ordered = _ordered(jobs, request.query_params.get("order", "desc"))
        remaining = _after_cursor(ordered, request)
        page = remaining[:limit]
        return JSONResponse(
            {
                "object": "list",
                "data": [dialect.job_object(world, job) for job in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": len(remaining) > len(page),
            }
        )

    return handle


def _omit_jobs(jobs: list[SimulatedJob], service: str, fault: IncompleteList) -> list[SimulatedJob]:
    own = [job for job in jobs if job.service == service]
    omitted = own[-1:] if fault.omits == "newest" else own
    return [job for job in jobs if job not in omitted]


def _ordered(jobs: list[SimulatedJob], order: str) -> list[SimulatedJob]:
    if order not in {"asc", "desc"}:
        message = f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'."
        raise InvalidRequestError(message, "order", "invalid_value")
    return jobs if order == "asc" else jobs[::-1]


def _after_cursor(jobs: list[SimulatedJob], request: Request) -> list[SimulatedJob]:
    after = request.query_params.get("after")
    if after is None:
        return jobs
    for index, job in enumerate(jobs):
        if job.id == after:
            return jobs[index + 1 :]
    raise InvalidRequestError(f"No video found with id '{after}'.", "after", "invalid_value")


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_LIMIT:
        message = f"Invalid value: '{text}'. 'limit' must be an integer from 0 to {_MAX_LIMIT}."
        raise InvalidRequestError(message, "limit", "invalid_value")
    return int(text)
