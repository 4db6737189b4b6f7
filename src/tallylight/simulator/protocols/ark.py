"""Volcengine Ark's video tasks, and the same shape as it is resold: no list, no cancel.

Sources: PyPI volcengine-ark-runtime 5.0.54 (`resources/content_generation/tasks.py` and its types),
docs.volcengine.com/docs/82379, docs.apiyi.com, as read in 2026-11. What DELETE answers while a task
runs, and the codes of risk control, maintenance and an unknown task are not verified.
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

_TASKS = "/contents/generations/tasks"
_RATIOS = ("16:9", "9:16", "4:3", "3:4", "1:1", "21:9")
_FRAME_ROLES = ("first_frame", "last_frame")
_ROLES = {**{role: role for role in _FRAME_ROLES}, "reference_image": "reference"}
_MAX_SEED = 2**32 - 1
_MAX_PAGE = 500
_FRAMES_PER_SECOND, _PIXELS_PER_TOKEN = 24, 1024
_CHOSEN_BY_MODEL = -1

_STATES: Mapping[NamedState, tuple[int, str, str]] = {
    NamedState.RISK_CONTROL: (403, "RiskControl", "The account was stopped by risk control."),
    NamedState.SUSPENDED: (400, "InvalidEndpoint.ClosedEndpoint", "The endpoint is closed."),
    NamedState.MAINTENANCE: (503, "ServiceUnavailable", "The service is under maintenance."),
    NamedState.OVERLOADED: (429, "ServerOverloaded", "The service is overloaded. Try again later."),
    NamedState.RATE_LIMITED: (
        429,
        "RateLimitExceeded.EndpointRPMExceeded",
        "The requests per minute of the endpoint are used up.",
    ),
    NamedState.QUOTA: (403, "AccountOverdueError", "The account has an overdue balance."),
    NamedState.AUTH: (401, "AuthenticationError", "The API key in the request is wrong."),
    NamedState.CONTENT_REJECTED: (
        400,
        "InputTextSensitiveContentDetected",
        "The input text may contain sensitive information.",
    ),
}
_TYPES = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
_TYPES |= {409: "Conflict", 429: "TooManyRequests", 500: "InternalServerError"}


class _RunningError(InvalidRequestError):
    """A task that runs cannot be cancelled."""


class _ArkTexts(RefusalTexts):
    def __init__(self, world: Simulation) -> None:
        self._world = world

    def _error(self, status: int, code: str, message: str, param: str = "") -> SimulatedResponse:
        request_id = self._world.random_hex(32)
        error: dict[str, JsonValue] = {
            "code": code,
            "message": f"{message} Request id: {request_id}",
            "param": param,
            "type": _TYPES.get(status, "InternalServerError"),
        }
        return SimulatedResponse(status, {"error": error}, {"x-request-id": request_id})

    def unauthorized(self, key: str) -> SimulatedResponse:
        if not key:
            return self._error(401, "MissingAuthenticationHeader", "There is no API key.")
        return self._error(401, "AuthenticationError", "The API key does not exist.")

    def unknown_model(self, model: str) -> SimulatedResponse:
        message = f"The model or endpoint {model} does not exist or you have no access to it."
        return self._error(404, "InvalidEndpointOrModel.NotFound", message, "model")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self._error(404, "ResourceNotFound", f"The task {job_id} is not found.", "id")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return self._error(404, "InvalidAction", f"There is no {method} {path}.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        status = 409 if isinstance(error, _RunningError) else 400
        return self._error(
            status, error.code or "InvalidParameter", error.message, error.param or ""
        )

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return self._error(*_STATES[state])


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _ArkTexts(kernel.world))
    routes = [
        maker.route(_TASKS, tasks.create, "POST"),
        maker.route(_TASKS + "/{task}", tasks.query),
    ]
    if kernel.settings.dialect == "ark":
        routes.append(maker.route(_TASKS, tasks.list))
        routes.append(maker.route(_TASKS + "/{task}", tasks.delete, "DELETE"))
    return [*routes, maker.unknown_paths()]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task; a null is a field that is not set."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        if not model:
            raise InvalidRequestError("model is required", "model", "MissingParameter")
        name = self._kernel.find_service(model, key)
        reading = read_ark_task(self._kernel.service(name), fields)
        mark = fields.text("safety_identifier")
        order = JobRequest(name, reading, mark=mark, is_moderated_first=True)
        job_id = f"cgt-20261129{self._world.random_hex(12)}"
        job = self._kernel.create(exchange, key, order, job_id)
        return JSONResponse({"id": job.id, **_marked(job)})

    async def query(self, exchange: Exchange) -> Response:
        """Return a task of the account."""
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return JSONResponse(self._task(job))

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the account's tasks, newest first."""
        key = self._authenticate(exchange)
        query = exchange.request.query_params
        number, size = _page_figure(query, "page_num", 1), _page_figure(query, "page_size", 10)
        ids, model = query.getlist("filter.task_ids"), query.get("filter.model", "")
        status = query.get("filter.status", "")
        tasks = [
            task
            for job in reversed(self._kernel.jobs(exchange))
            if job.key == key.key
            and job.id in (ids or (job.id,))
            and model in {"", job.reading.model}
            and (task := self._task(job))["status"] == (status or task["status"])
        ]
        page: list[JsonValue] = [*tasks[(number - 1) * size :][:size]]
        return JSONResponse({"total": len(tasks), "items": page})

    async def delete(self, exchange: Exchange) -> Response:
        """Cancel a queued task; delete one that has ended."""
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], Endpoint.CANCEL)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        status = self._kernel.progress(job).status
        if job.is_cancelled or status is JobStatus.IN_PROGRESS:
            message = "a task can be cancelled only while it is queued"
            raise _RunningError(message, "id", "InvalidAction.TaskStatus")
        if status is JobStatus.QUEUED:
            self._kernel.cancel(job)
        else:
            self._kernel.forget(job)
        return JSONResponse({})

    def _task(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status = self._kernel.progress(job).status
        read, made = job.reading, job.outcome.output
        task: dict[str, JsonValue] = {
            "id": job.id,
            "model": made.model,
            "status": "cancelled" if job.is_cancelled else _STATUS_WORDS[status],
            "error": None,
            "created_at": job.created_at,
            "updated_at": int(self._world.clock.unix_time()),
            "service_tier": "default",
            "execution_expires_after": 172_800,
            **_marked(job),
        }
        if job.is_cancelled:
            return task
        if (failure := self._kernel.failure(job)) is not None:
            is_moderated = failure.code == "moderation_blocked"
            code = "OutputVideoSensitiveContentDetected" if is_moderated else "InternalServiceError"
            task["error"] = {"code": code, "message": failure.message}
        if status is JobStatus.COMPLETED:
            tokens = read.width * read.height * _FRAMES_PER_SECOND * read.seconds
            task |= {
                "content": {"video_url": self._world.file_url(job)},
                "usage": {
                    "completion_tokens": tokens // _PIXELS_PER_TOKEN,
                    "total_tokens": tokens // _PIXELS_PER_TOKEN,
                },
                "seed": int(job.id[-8:], 16) if read.seed is None else read.seed,
                "resolution": read.resolution,
                "ratio": read.aspect,
                "duration": made.seconds,
                "framespersecond": _FRAMES_PER_SECOND,
                "generate_audio": bool(read.audio),
            }
        return task


_STATUS_WORDS = {
    JobStatus.QUEUED: "queued",
    JobStatus.IN_PROGRESS: "running",
    JobStatus.COMPLETED: "succeeded",
    JobStatus.FAILED: "failed",
}


def _marked(job: SimulatedJob) -> dict[str, JsonValue]:
    return {"safety_identifier": job.mark} if job.mark else {}


def _page_figure(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PAGE:
        raise InvalidRequestError(f"{name} must be 1 to {_MAX_PAGE}", name)
    return int(text)


def read_ark_task(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what a service reads from a create; raise InvalidRequestError."""
    content = fields.items("content")
    texts = [each.text("text") for each in content if each.text("type") == "text"]
    inputs = tuple(_input(each) for each in content if each.text("type") != "text")
    if not content or (not any(texts) and not inputs):
        raise InvalidRequestError("content is required", "content", "MissingParameter")
    if len({each.role in _FRAME_ROLES for each in inputs}) > 1:
        raise InvalidRequestError("frames and references cannot be mixed", "content")
    resolutions = _offered_classes(service)
    default = "720p" if "720p" in resolutions else resolutions[0]
    resolution = fields.text("resolution") or default
    if resolution not in resolutions:
        raise InvalidRequestError(f"resolution {resolution} is not supported", "resolution")
    ratio = _ratio(service, fields, has_frame=any(each.role in _FRAME_ROLES for each in inputs))
    aspect = "" if ratio == "adaptive" else ratio
    size = offered_size(service.sizes, ("resolution", resolution), ("ratio", aspect))
    sized = sized_reading("\n".join(texts), size, _seconds(service, fields), fields.text("model"))
    return replace(
        sized,
        aspect="input" if ratio == "adaptive" and inputs else sized.aspect,
        audio=_sound(service, fields),
        seed=_seed(fields),
        inputs=inputs,
    )


def _offered_classes(service: ScenarioService) -> list[str]:
    readings = (sized_reading("", size, 1, "") for size in service.sizes)
    return list(dict.fromkeys(each.resolution for each in readings))


def _ratio(service: ScenarioService, fields: JsonFields, *, has_frame: bool) -> str:
    ratio = fields.text("ratio") or "adaptive"
    if ratio not in (*_RATIOS, "adaptive"):
        raise InvalidRequestError(f"ratio {ratio} is not supported", "ratio")
    if has_frame and ratio != "adaptive" and service.wire.get("ratio") == "adaptive":
        raise InvalidRequestError("the model wants adaptive with a first frame", "ratio")
    return ratio


def _seconds(service: ScenarioService, fields: JsonFields) -> int:
    """Return the length; one that is left to the model is the first that is offered."""
    seconds = fields.integer("duration")
    if seconds is None or seconds == _CHOSEN_BY_MODEL:
        return service.lengths[0]
    if seconds not in service.lengths:
        raise InvalidRequestError(f"duration {seconds} is not supported", "duration")
    return seconds


def _sound(service: ScenarioService, fields: JsonFields) -> bool | None:
    sound = fields.flag("generate_audio")
    if service.wire.get("sound") != "none":
        return sound is not False
    if sound is not None:
        raise InvalidRequestError("the model has no sound", "generate_audio")
    return None


def _seed(fields: JsonFields) -> int | None:
    """Return the seed, None where chance is left to the model."""
    seed = fields.integer("seed")
    if seed is not None and not -1 <= seed <= _MAX_SEED:
        raise InvalidRequestError("seed must be -1 to 4294967295", "seed")
    return None if seed == -1 else seed


def _input(part: JsonFields) -> InputReading:
    if part.text("type") != "image_url":
        raise InvalidRequestError("only text and pictures are simulated", "content.type")
    place = part.values.get("image_url")
    url = place.get("url") if isinstance(place, dict) else None
    role = part.choice("role", tuple(_ROLES))
    try:
        return InputReading(_ROLES[role], "image", parse_image_url(url))
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, "content.image_url") from error


TWIN = Twin("ark", ("resold", "ark"), "/api/v3", _routes)
