"""Vidu's API: four kinds of task by their paths, and the price in credits at the create.

Sources: Comfy-Org/ComfyUI `comfy_api_nodes/apis/vidu` (2025-10), platform.vidu.com (text to video)
as stored in 2026. The numbers in errors, the reason of an unknown task and of a suspended account,
and the member with the credits that remain are not verified.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.protocols.references import parse_image_url
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownPathError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import ClientSettings, RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_CREDIT_USD = Decimal("0.005")
_CREDITS = 10_000
_MAX_PROMPT = 5000
_MAX_REFERENCES = 7
#: How many pictures each kind takes, and what they are.
_KINDS: Mapping[str, tuple[range, tuple[str, ...]]] = {
    "text2video": (range(1), ()),
    "img2video": (range(1, 2), ("first_frame",)),
    "start-end2video": (range(2, 3), ("first_frame", "last_frame")),
    "reference2video": (range(1, _MAX_REFERENCES + 1), ("reference",) * _MAX_REFERENCES),
}
_STATUS_WORDS = {
    JobStatus.QUEUED: "queueing",
    JobStatus.IN_PROGRESS: "processing",
    JobStatus.COMPLETED: "success",
    JobStatus.FAILED: "failed",
}


def _error(code: int, reason: str, message: str) -> SimulatedResponse:
    metadata: JsonValue = {"trace_id": "5f0a"}
    body: JsonValue = {"code": code, "reason": reason, "message": message, "metadata": metadata}
    return SimulatedResponse(code, body)


class _ViduTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[NamedState.AUTH]

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _error(400, "FieldInvalid", f"model is invalid: {model}")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return _error(404, "TaskNotFound", f"task {job_id} is not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return _error(404, "NotFound", f"{method} {path}")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        reason = error.code or "FieldInvalid"
        return _error(400, reason, f"{error.param or 'body'}: {error.message}")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403, "Forbidden", "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _error(503, "Unavailable", "The service is suspended"),
    NamedState.MAINTENANCE: _error(503, "Unavailable", "The service is under maintenance"),
    NamedState.OVERLOADED: _error(503, "SystemThrottling", "The system is throttling"),
    NamedState.RATE_LIMITED: _error(429, "QuotaExceeded", "Too many tasks at a time"),
    NamedState.QUOTA: _error(429, "CreditInsufficient", "The credits are not enough"),
    NamedState.AUTH: _error(401, "Unauthorized", "The token is invalid"),
    NamedState.CONTENT_REJECTED: _error(400, "AuditSubmitIllegal", "The content is illegal"),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _ViduTexts())
    return [
        maker.check_route("/ent/v2/credits", tasks.credits),
        maker.route("/ent/v2/{kind}", tasks.create, "POST"),
        maker.route("/ent/v2/tasks/{task}/creations", tasks.creations),
        maker.unknown_paths(),
    ]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        return self._kernel.authenticate(key if scheme == "Token" else "")

    async def credits(self, exchange: Exchange) -> Response:
        """Return the credits that remain, with what is under way."""
        key = self._authenticate(exchange)
        states = [self._kernel.progress(job).status for job in self._world.jobs.values()]
        package: dict[str, JsonValue] = {
            "type": "metered",
            "credit_remain": 0 if key.state == "exhausted" else _CREDITS,
            "concurrency_limit": 10,
            "current_concurrency": states.count(JobStatus.IN_PROGRESS),
            "queue_count": states.count(JobStatus.QUEUED),
        }
        return JSONResponse({"remains": [package]})

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task of one kind."""
        key = self._authenticate(exchange)
        kind = exchange.request.path_params["kind"]
        if kind not in _KINDS:
            raise UnknownPathError
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading = _read(self._kernel.service(name), kind, fields)
        order = JobRequest(name, reading, mark=fields.text("payload"))
        job_id = str(int(self._world.random_hex(15), 16))
        job = self._kernel.create(exchange, key, order, job_id)
        created_at = datetime.fromtimestamp(job.created_at, UTC)
        return JSONResponse(
            {
                "task_id": job.id,
                "state": "created",
                "model": model,
                "prompt": reading.prompt,
                "images": [each.source for each in reading.inputs],
                "duration": reading.seconds,
                "seed": reading.seed or 0,
                "aspect_ratio": fields.text("aspect_ratio"),
                "resolution": reading.resolution,
                "payload": job.mark,
                "credits": _credits(job),
                "created_at": created_at.isoformat().replace("+00:00", "Z"),
            }
        )

    async def creations(self, exchange: Exchange) -> Response:
        """Return the state of a task, and what it has made."""
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return JSONResponse(self._task(job))

    def _task(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        film: JsonValue = {"id": f"{job.id}0", "url": self._world.file_url(job)}
        return {
            "id": job.id,
            "state": _STATUS_WORDS[status],
            "err_code": _err_code(failure) if failure else "",
            "credits": _credits(job),
            "payload": job.mark,
            "creations": [film] if status is JobStatus.COMPLETED else [],
        }


def _credits(job: SimulatedJob) -> int:
    return int(job.price / _CREDIT_USD)


def _err_code(failure: JobFailure) -> str:
    is_refused = failure.code == "moderation_blocked"
    return "CreationPolicyViolation" if is_refused else "InternalServiceFailure"


def _read(service: ScenarioService, kind: str, fields: JsonFields) -> OrderReading:
    """Return what a create of a kind orders."""
    prompt = fields.text("prompt")
    if not prompt or len(prompt) > _MAX_PROMPT:
        raise InvalidRequestError("length is invalid", "prompt")
    if fields.flag("off_peak"):
        raise InvalidRequestError("is not simulated", "off_peak")
    seconds = fields.integer("duration")
    seconds = service.lengths[0] if seconds is None else seconds
    if seconds not in service.lengths:
        raise InvalidRequestError("value is invalid", "duration")
    inputs = _pictures(kind, fields)
    aspect = "" if kind == "img2video" else fields.text("aspect_ratio")
    size = offered_size(
        service.sizes, ("resolution", fields.text("resolution")), ("aspect_ratio", aspect)
    )
    sized = sized_reading(prompt, size, seconds, fields.text("model"))
    audio = fields.flag("audio")
    return replace(
        sized,
        aspect="input" if inputs and not aspect else sized.aspect,
        audio=(audio is not False) if service.wire.get("audio") == "yes" else None,
        seed=fields.integer("seed"),
        inputs=inputs,
    )


def _pictures(kind: str, fields: JsonFields) -> tuple[InputReading, ...]:
    """Return the pictures of a kind: as many as it takes, each an address or a data URL."""
    numbers, roles = _KINDS[kind]
    given = fields.values.get("images", [])
    if not isinstance(given, list) or len(given) not in numbers:
        raise InvalidRequestError("number of images is invalid", "images")
    try:
        sources = [parse_image_url(each) for each in given]
    except InvalidRequestError as error:
        raise InvalidRequestError(error.message, "images", "ImageDownloadFailure") from error
    return tuple(
        InputReading(role, "image", source) for role, source in zip(roles, sources, strict=False)
    )


def _client_settings(key: ScenarioKey, base_url: str) -> ClientSettings:  # noqa: ARG001
    return {"key": key.key, "options": {"usd_per_credit": str(_CREDIT_USD)}}


TWIN = Twin("vidu", ("vidu",), "", _routes, _client_settings)
