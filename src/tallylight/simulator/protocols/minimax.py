"""MiniMax's video API of the second version, and the same shape as it is resold.

Sources: PyPI litellm 1.110.2 `llms/minimax/videos`, platform.minimax.io/docs (video-generation V2
and its list), vercel/ai `packages/minimax`, as read in 2026-11. The texts of risk control,
suspension and maintenance, and what DELETE does to a task that is not queued, are not verified.
"""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.protocols.references import parse_image_url
from tallylight.simulator.protocols.request_fields import bearer_token
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_CREATES, _QUERIES = "/video_generation", "/query/video_generation"
_RATIOS = ("16:9", "9:16", "4:3", "3:4", "1:1", "21:9")
_LINES = {"480P": "480p", "768P": "768p", "2K": "1440p"}
_FRAME_ROLES = ("first_frame", "last_frame")
_ROLES = {**{role: role for role in _FRAME_ROLES}, "reference_image": "reference"}
_MAX_TEXT = 7000
_MAX_PAGE_SIZE = 500

_STATES: Mapping[NamedState, tuple[int, str, str]] = {
    NamedState.RISK_CONTROL: (403, "forbidden_error", "the account is stopped by risk control"),
    NamedState.SUSPENDED: (403, "forbidden_error", "the account has been suspended"),
    NamedState.MAINTENANCE: (503, "server_error", "the service is under maintenance"),
    NamedState.OVERLOADED: (500, "server_error", "unknown error, try again later (1000)"),
    NamedState.RATE_LIMITED: (429, "rate_limit_error", "rate limit (1002)"),
    NamedState.QUOTA: (402, "insufficient_balance_error", "insufficient balance (1008)"),
    NamedState.AUTH: (401, "authorized_error", "login fail (1004)"),
    NamedState.CONTENT_REJECTED: (422, "unprocessable_entity_error", "input new_sensitive (1026)"),
}


class _MiniMaxTexts(RefusalTexts):
    def __init__(self, world: Simulation) -> None:
        self._world = world

    def _error(self, status: int, kind: str, message: str) -> SimulatedResponse:
        error: dict[str, JsonValue] = {
            "type": kind,
            "message": message,
            "http_code": str(status),
        }
        request_id = self._world.random_hex(32)
        return SimulatedResponse(
            status, {"type": "error", "error": error, "request_id": request_id}
        )

    def unauthorized(self, key: str) -> SimulatedResponse:
        text = "invalid api key (2049)" if key else "login fail: carry the API key (1004)"
        return self._error(401, "authorized_error", text)

    def unknown_model(self, model: str) -> SimulatedResponse:
        message = f"invalid params, unsupported model {model} (2013)"
        return self._error(400, "bad_request_error", message)

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self._error(400, "bad_request_error", f"record not found: {job_id} (2013)")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return self._error(404, "not_found_error", f"there is no {method} {path}")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place = f"{error.param}: " if error.param else ""
        message = f"invalid params, {place}{error.message} (2013)"
        return self._error(400, "bad_request_error", message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return self._error(*_STATES[state])


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _MiniMaxTexts(kernel.world))
    routes = [
        maker.route(_CREATES, tasks.create, "POST"),
        maker.route(_QUERIES + "/{task}", tasks.query),
    ]
    if kernel.settings.dialect == "minimax":
        routes.append(maker.route(_QUERIES, tasks.list))
        routes.append(maker.route(_CREATES + "/{task}", tasks.delete, "DELETE"))
    return [*routes, maker.unknown_paths()]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        name = self._kernel.find_service(fields.text("model"), key)
        reading = read_minimax_task(self._kernel.service(name), fields)
        order = JobRequest(name, reading, is_moderated_first=True)
        job_id = str(int(self._world.random_hex(14), 16))
        job = self._kernel.create(exchange, key, order, job_id)
        return JSONResponse({"task_id": job.id})

    async def query(self, exchange: Exchange) -> Response:
        """Return a task of the account."""
        return JSONResponse({"task": self._task(self._job(exchange, Endpoint.POLL))})

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the account's tasks, newest first."""
        key = self._authenticate(exchange)
        query = exchange.request.query_params
        number = _page_figure(query, "page_num", 1)
        size = _page_figure(query, "page_size", 10)
        status = query.get("filter.status", "")
        tasks = [
            task
            for job in reversed(self._kernel.jobs(exchange))
            if job.key == key.key
            and (task := self._task(job))["status"] == (status or task["status"])
        ]
        page: list[JsonValue] = [*tasks[(number - 1) * size :][:size]]
        return JSONResponse({"items": page, "total": len(tasks)})

    async def delete(self, exchange: Exchange) -> Response:
        """Cancel a queued task; delete one that has ended."""
        job = self._job(exchange, Endpoint.CANCEL)
        status = self._kernel.progress(job).status
        if job.is_cancelled or status is JobStatus.IN_PROGRESS:
            raise InvalidRequestError("only a queued task can be cancelled", "task_id")
        if status is JobStatus.QUEUED:
            self._kernel.cancel(job)
            return JSONResponse({"task_id": job.id, "status": "cancelled"})
        self._kernel.forget(job)
        return JSONResponse({"task_id": job.id, "status": "deleted"})

    def _job(self, exchange: Exchange, endpoint: Endpoint) -> SimulatedJob:
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], endpoint)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return job

    def _task(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, read = self._kernel.progress(job).status, job.reading
        made = job.outcome.output
        task: dict[str, JsonValue] = {
            "id": job.id,
            "model": made.model,
            "status": "cancelled" if job.is_cancelled else _STATUS_WORDS[status],
            "created_at": job.created_at,
            "updated_at": int(self._world.clock.unix_time()),
            "resolution": read.resolution.upper(),
            "duration": read.seconds,
            "ratio": "adaptive" if read.aspect == "input" else read.aspect,
        }
        if job.is_cancelled:
            return task
        if (failure := self._kernel.failure(job)) is not None:
            code = "1027" if failure.code == "moderation_blocked" else "1000"
            task["error"] = {"code": code, "message": failure.message}
        if status is JobStatus.COMPLETED:
            task["content"] = {"url": self._world.file_url(job)}
            task["usage"] = {
                "total_seconds": read.seconds,
                "input_seconds": 0,
                "output_seconds": made.seconds,
                "input_image_count": len(read.inputs),
            }
        return task


_STATUS_WORDS = {
    JobStatus.QUEUED: "queued",
    JobStatus.IN_PROGRESS: "running",
    JobStatus.COMPLETED: "succeeded",
    JobStatus.FAILED: "failed",
}


def _page_figure(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE_SIZE:
        raise InvalidRequestError(f"expected 1 to {_MAX_PAGE_SIZE}", name)
    return int(text)


def read_minimax_task(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what a service reads from a create; raise InvalidRequestError."""
    content = fields.items("content")
    texts = [each.text("text") for each in content if each.text("type") == "text"]
    inputs = tuple(_input(each) for each in content if each.text("type") != "text")
    if len(texts) != 1 or not texts[0] or len(texts[0]) > _MAX_TEXT:
        raise InvalidRequestError("exactly one text that is not empty is required", "content")
    if len({each.role in _FRAME_ROLES for each in inputs}) > 1:
        raise InvalidRequestError("frames and references cannot be mixed", "content")
    resolution = fields.text("resolution") or "768P"
    if resolution not in _LINES:
        raise InvalidRequestError(f"'{resolution}' is not supported", "resolution")
    ratio = fields.choice("ratio", ("adaptive", *_RATIOS))
    if ratio == "adaptive" and not inputs:
        raise InvalidRequestError("it must be given if there is only a text", "ratio")
    seconds = fields.integer("duration")
    if seconds not in service.lengths:
        raise InvalidRequestError(f"{seconds} is not supported", "duration")
    aspect = "" if ratio == "adaptive" else ratio
    size = offered_size(service.sizes, ("resolution", _LINES[resolution]), ("ratio", aspect))
    sized = sized_reading(texts[0], size, seconds or 0, fields.text("model"))
    return replace(
        sized,
        resolution=resolution.lower(),
        aspect="input" if ratio == "adaptive" else sized.aspect,
        inputs=inputs,
    )


def _input(part: JsonFields) -> InputReading:
    if part.text("type") != "image_url":
        raise InvalidRequestError("only texts and pictures are simulated", "content.type")
    place = part.values.get("image_url")
    role = part.choice("role", tuple(_ROLES))
    url = place.get("url") if isinstance(place, dict) else None
    return InputReading(_ROLES[role], "image", parse_image_url(url))


TWIN = Twin("minimax", ("resold", "minimax"), "/v2", _routes)
