"""Alibaba Model Studio's video tasks, and the way in which resellers take and answer them.

Sources: PyPI dashscope 2.0.2 (`aigc/video_synthesis.py`, `client/base_api.py`, `v2/resources`),
alibabacloud.com/help/en/model-studio (text-to-video, asynchronous task management, error codes),
docs.apiyi.com and docs.laozhang.ai (Wan), as read in 2026-11. The texts of risk control, suspension
and maintenance, and how a reseller answers for an unknown task, are not verified.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

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

_CREATE = "/services/aigc/{kind}/video-synthesis"
_KINDS = ("video-generation", "image2video")
_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")
_CLASSES = ("1080P", "480P", "720P")
_MEDIA = {
    "first_frame": "first_frame",
    "last_frame": "last_frame",
    "reference_image": "reference",
}
_OLD_NAMES = {
    "img_url": "first_frame",
    "first_frame_url": "first_frame",
    "last_frame_url": "last_frame",
}
_MAX_SEED, _MAX_PAGE_SIZE = 2**31 - 1, 100

_STATES: Mapping[NamedState, tuple[int, str, str]] = {
    NamedState.RISK_CONTROL: (403, "RiskControl", "The request was stopped by risk control."),
    NamedState.SUSPENDED: (403, "AccountSuspended", "The account has been suspended."),
    NamedState.MAINTENANCE: (503, "ServiceUnavailable", "The service is under maintenance."),
    NamedState.OVERLOADED: (503, "ModelServingError", "Too many requests are being served."),
    NamedState.RATE_LIMITED: (429, "Throttling.RateQuota", "Requests rate limit exceeded."),
    NamedState.QUOTA: (
        400,
        "Arrearage",
        "Access denied, please make sure your account is in good standing.",
    ),
    NamedState.AUTH: (401, "InvalidApiKey", "Invalid API-key provided."),
    NamedState.CONTENT_REJECTED: (
        400,
        "DataInspectionFailed",
        "Input data may contain inappropriate content.",
    ),
}


class _DashScopeTexts(RefusalTexts):
    def __init__(self, world: Simulation) -> None:
        self._world = world

    def _error(self, status: int, code: str, message: str) -> SimulatedResponse:
        request_id = self._world.random_hex(32)
        return SimulatedResponse(
            status, {"code": code, "message": message, "request_id": request_id}
        )

    def unauthorized(self, key: str) -> SimulatedResponse:
        text = "Invalid API-key provided." if key else "No API-key provided."
        return self._error(401, "InvalidApiKey", text)

    def unknown_model(self, model: str) -> SimulatedResponse:
        return self._error(404, "ModelNotFound", f"Model {model} not exist.")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self._error(404, "task_not_exist", f"There is no task {job_id}.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return self._error(404, "InvalidURL", f"There is no {method} {path}.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place = f"{error.param}: " if error.param else ""
        code = error.code or "InvalidParameter"
        return self._error(403 if code == "AccessDenied" else 400, code, place + error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return self._error(*_STATES[state])


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _DashScopeTexts(kernel.world))
    if kernel.settings.dialect == "resold":
        return [
            maker.route("/wan/api/v1" + _CREATE, tasks.create, "POST"),
            maker.route("/v1/tasks/{task}", tasks.query_resold),
            maker.unknown_paths(),
        ]
    return [
        maker.route(_CREATE, tasks.create, "POST"),
        maker.route("/tasks", tasks.list),
        maker.route("/tasks/{task}", tasks.query),
        maker.route("/tasks/{task}/cancel", tasks.cancel, "POST"),
        maker.unknown_paths(),
    ]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task, if its header asks for one."""
        key = self._authenticate(exchange)
        if exchange.request.path_params["kind"] not in _KINDS:
            raise InvalidRequestError("url error, please check url", code="InvalidURL")
        if exchange.request.headers.get("x-dashscope-async") != "enable":
            message = "current user api does not support synchronous calls."
            raise InvalidRequestError(message, code="AccessDenied")
        fields = await parse_json_body(exchange.request)
        name = self._kernel.find_service(fields.text("model"), key)
        reading = read_dashscope_task(self._kernel.service(name), fields)
        order = JobRequest(name, reading, is_moderated_first=True)
        job = self._kernel.create(exchange, key, order, self._world.random_hex(32))
        return self._answer({"task_id": job.id, "task_status": "PENDING"})

    async def query(self, exchange: Exchange) -> Response:
        """Return a task of the account; one that is not there is UNKNOWN."""
        try:
            job = self._job(exchange, Endpoint.POLL)
        except UnknownJobError as error:
            return self._answer({"task_id": error.job_id, "task_status": "UNKNOWN"})
        usage = self._usage(job) if self._word(job) == "SUCCEEDED" else None
        return self._answer(self._task(job), usage)

    async def query_resold(self, exchange: Exchange) -> Response:
        """Return a task in a reseller's words."""
        job = self._job(exchange, Endpoint.POLL)
        task: dict[str, JsonValue] = {
            "task_id": job.id,
            "status": _RESOLD_WORDS[self._word(job)],
            "progress": self._kernel.progress(job).percent,
        }
        if (failure := self._kernel.failure(job)) is not None:
            task["error"] = {"code": _failure_code(failure.code), "message": failure.message}
        if self._word(job) == "SUCCEEDED":
            task["result_url"] = self._world.file_url(job)
        return JSONResponse(task)

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the account's tasks, newest first, without prompts."""
        key = self._authenticate(exchange)
        query = exchange.request.query_params
        number, size = _page_figure(query, "page_no", 1), _page_figure(query, "page_size", 10)
        model, status = query.get("model_name", ""), query.get("status", "")
        jobs = [
            job
            for job in reversed(self._kernel.jobs(exchange))
            if job.key == key.key
            and model in {"", job.reading.model}
            and status in {"", self._word(job)}
        ]
        data: list[JsonValue] = [self._entry(job) for job in jobs[(number - 1) * size :][:size]]
        return JSONResponse(
            {
                "request_id": self._world.random_hex(32),
                "data": data,
                "page_no": number,
                "page_size": size,
                "total": len(jobs),
                "total_page": -(-len(jobs) // size),
            }
        )

    async def cancel(self, exchange: Exchange) -> Response:
        """Cancel a task that waits."""
        job = self._job(exchange, Endpoint.CANCEL)
        if self._word(job) != "PENDING":
            raise InvalidRequestError("the task is not pending", code="UnsupportedOperation")
        self._kernel.cancel(job)
        return JSONResponse({"request_id": self._world.random_hex(32)})

    def _job(self, exchange: Exchange, endpoint: Endpoint) -> SimulatedJob:
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], endpoint)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return job

    def _answer(self, output: JsonValue, usage: JsonValue = None) -> Response:
        answer: dict[str, JsonValue] = {
            "request_id": self._world.random_hex(32),
            "output": output,
        }
        return JSONResponse(answer if usage is None else {**answer, "usage": usage})

    def _word(self, job: SimulatedJob) -> str:
        return "CANCELED" if job.is_cancelled else _WORDS[self._kernel.progress(job).status]

    def _entry(self, job: SimulatedJob) -> dict[str, JsonValue]:
        return {
            "task_id": job.id,
            "status": self._word(job),
            "model_name": job.reading.model,
            "gmt_create": job.created_at * 1000,
            "region": "ap-southeast-1",
            "user_api_unique_key": f"apikey:v1:aigc:video-generation:{job.reading.model}",
        }

    def _task(self, job: SimulatedJob) -> dict[str, JsonValue]:
        submitted = datetime.fromtimestamp(job.created_at, UTC)
        task: dict[str, JsonValue] = {
            "task_id": job.id,
            "task_status": self._word(job),
            "submit_time": f"{submitted:%Y-%m-%d %H:%M:%S}.000",
        }
        if (failure := self._kernel.failure(job)) is not None and not job.is_cancelled:
            task |= {"code": _failure_code(failure.code), "message": failure.message}
        if self._word(job) == "SUCCEEDED":
            task |= {"video_url": self._world.file_url(job), "orig_prompt": job.prompt}
        return task

    def _usage(self, job: SimulatedJob) -> dict[str, JsonValue]:
        return {
            "duration": job.reading.seconds,
            "output_video_duration": job.outcome.output.seconds,
            "input_video_duration": 0,
            "video_count": 1,
            "SR": job.reading.resolution.removesuffix("p"),
            "size": job.reading.size.replace("x", "*"),
        }


_WORDS = {
    JobStatus.QUEUED: "PENDING",
    JobStatus.IN_PROGRESS: "RUNNING",
    JobStatus.COMPLETED: "SUCCEEDED",
    JobStatus.FAILED: "FAILED",
}
_RESOLD_WORDS = {
    "PENDING": "submitted",
    "RUNNING": "in_progress",
    "SUCCEEDED": "completed",
    "FAILED": "failed",
}


def _failure_code(code: str) -> str:
    return "DataInspectionFailed" if code == "moderation_blocked" else "InternalError.Algo"


def _page_figure(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE_SIZE:
        raise InvalidRequestError(f"expected 1 to {_MAX_PAGE_SIZE}", name)
    return int(text)


def read_dashscope_task(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what a service reads from a create; raise InvalidRequestError.

    `wire: {size: pixels}` says that the model takes a size; `wire: {inputs: old}`, that its
    pictures have names of their own.
    """
    given, parameters = _section(fields, "input"), _section(fields, "parameters")
    prompt, seed = given.text("prompt"), parameters.integer("seed")
    if seed is not None and not 0 <= seed <= _MAX_SEED:
        raise InvalidRequestError(f"seed must be 0 to {_MAX_SEED}", "parameters.seed")
    inputs = _inputs(service, given)
    if not prompt and not inputs:
        raise InvalidRequestError("prompt is required", "input.prompt")
    seconds = parameters.integer("duration")
    if seconds is None:
        seconds = service.lengths[0]
    if seconds not in service.lengths:
        raise InvalidRequestError(f"{seconds} is not supported", "parameters.duration")
    has_frame = any(each.role != "reference" for each in inputs)
    size = _size(service, parameters, has_frame=has_frame)
    sized = sized_reading(prompt, size, seconds, fields.text("model"))
    return replace(
        sized,
        aspect="input" if has_frame else sized.aspect,
        negative=given.text("negative_prompt"),
        seed=seed,
        inputs=inputs,
    )


def _section(fields: JsonFields, name: str) -> JsonFields:
    value = fields.values.get(name)
    if value is None and name == "parameters":
        return JsonFields({})
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{name} must be an object", name)
    return JsonFields(value)


def _size(service: ScenarioService, parameters: JsonFields, *, has_frame: bool) -> str:
    """Return the frame; with a picture for a frame the ratio is that of the picture."""
    if service.wire.get("size") == "pixels":
        size = parameters.text("size").replace("*", "x") or service.sizes[0]
        if size not in service.sizes or "x" in parameters.text("size"):
            raise InvalidRequestError(f"{size} is not supported", "parameters.size")
        return size
    resolution = parameters.choice("resolution", _CLASSES).lower()
    ratio = "" if has_frame else parameters.choice("ratio", _RATIOS)
    return offered_size(service.sizes, ("resolution", resolution), ("ratio", ratio))


def _inputs(service: ScenarioService, given: JsonFields) -> tuple[InputReading, ...]:
    if service.wire.get("inputs") == "old":
        return tuple(
            InputReading(role, "image", _picture(given.values[name], name))
            for name, role in _OLD_NAMES.items()
            if given.values.get(name)
        )
    media = given.items("media")
    return tuple(
        InputReading(
            _MEDIA[each.choice("type", tuple(_MEDIA))],
            "image",
            _picture(each.values.get("url"), "input.media"),
        )
        for each in media
    )


def _picture(value: object, name: str) -> str:
    try:
        return parse_image_url(value)
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, name, "InvalidURL") from error


TWIN = Twin("dashscope", ("resold", "dashscope"), "", _routes)
