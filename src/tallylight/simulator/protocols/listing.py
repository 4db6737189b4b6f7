"""The pages of OpenAI's list of videos."""

from starlette.datastructures import QueryParams

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.refusals import InvalidRequestError

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


def listed_page(jobs: list[SimulatedJob], query: QueryParams) -> tuple[list[SimulatedJob], bool]:
    """Return the jobs of a page, and whether more follow; raise InvalidRequestError."""
    limit = _parse_limit(query.get("limit", str(_DEFAULT_LIMIT)))
    ordered = _ordered(jobs, query.get("order", "desc"))
    remaining = _after_cursor(ordered, query.get("after"))
    return remaining[:limit], len(remaining) > limit


def _ordered(jobs: list[SimulatedJob], order: str) -> list[SimulatedJob]:
    if order not in {"asc", "desc"}:
        message = f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'."
        raise InvalidRequestError(message, "order", "invalid_value")
    return jobs if order == "asc" else jobs[::-1]


def _after_cursor(jobs: list[SimulatedJob], after: str | None) -> list[SimulatedJob]:
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
