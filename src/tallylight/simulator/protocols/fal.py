"""fal's queue: the model is the path, and the result is a second document.

Sources: PyPI `fal-client` 1.0.3, docs.fal.ai (queue, errors, reliability) as stored in 2026-11. The
texts of a cancelled request, of risk control and of a maintenance are in no public source; they are
our own.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import ClientSettings, RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_IMAGES = {"image_url": "first_frame", "end_image_url": "last_frame"}
_REFERENCES = ("image_urls", "reference_image_urls")
_NOT_FETCHED = "file_download_error"
_POLICY = "content_policy_violation"
_CANCELLED = JobFailure("request_cancelled", "The request was cancelled.")
#: HTTP status of a result by the type of its error; any other type is the runner's own 500.
_STATUSES: Mapping[str, int] = {
    _POLICY: 422,
    "missing": 422,
    "value_error": 422,
    "file_download_error": 422,
    "generation_timeout": 422,
    "no_media_generated": 422,
    "request_cancelled": 400,
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_disconnected": 502,
}
_MODEL_ERROR = 422


class _Spelling(StrEnum):
    """How a model's input spells the length of the clip."""

    TEXT = "text"  # "5", or "auto": the model chooses
    INTEGER = "integer"  # 5
    SUFFIXED = "suffixed"  # "5s"


def _model_error(
    kind: str, message: str, location: str, given: JsonValue = None
) -> SimulatedResponse:
    """Return an error that a model reports, with the place of it."""
    place: list[JsonValue] = ["body", location]
    detail: JsonValue = [{"loc": place, "msg": message, "type": kind, "input": given}]
    return SimulatedResponse(_MODEL_ERROR, {"detail": detail}, {"x-fal-retryable": "false"})


def _platform_error(status: int, message: str, kind: str = "") -> SimulatedResponse:
    """Return an error that the platform reports."""
    if not kind:
        return SimulatedResponse(status, {"detail": message})
    body: JsonValue = {"detail": message, "error_type": kind}
    return SimulatedResponse(status, body, {"x-fal-error-type": kind})


def _failed_result(failure: JobFailure) -> SimulatedResponse:
    """Return the result document of a request that failed."""
    kind = _error_type(failure)
    status = _STATUSES.get(kind, 500)
    if status == _MODEL_ERROR:
        return _model_error(kind, failure.message, "prompt")
    return _platform_error(status, failure.message, kind)


def _error_type(failure: JobFailure) -> str:
    if failure.code == "moderation_blocked":
        return _POLICY
    return failure.code if failure.code in _STATUSES else "internal_error"


class _FalTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _platform_error(401, "Cannot access application. Authentication is required.")

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _platform_error(404, f"Application '{model}' not found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _platform_error(404, "Request not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return _platform_error(404, f"Path {path} not found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        return _model_error(error.code or "value_error", error.message, error.param or "body")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        return _platform_error(400, "Request is still in progress")

    def result_late(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        # The ingress gives up waiting for the document; the video exists.
        return SimulatedResponse(504, "Gateway Timeout")


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _platform_error(
        403, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _platform_error(403, "User is locked. Reason: Terms of service."),
    NamedState.MAINTENANCE: _platform_error(503, "The application is under maintenance"),
    NamedState.OVERLOADED: _platform_error(
        503, "No runner is available", "runner_scheduling_failure"
    ),
    NamedState.RATE_LIMITED: _platform_error(429, "Too many requests"),
    NamedState.QUOTA: _platform_error(403, "User is locked. Reason: Exhausted balance."),
    NamedState.AUTH: _platform_error(401, "Cannot access application. Authentication is required."),
    NamedState.CONTENT_REJECTED: _model_error(
        _POLICY, "The content could not be processed because of a content policy.", "prompt"
    ),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    queue, maker = _Queue(kernel), RouteMaker(kernel, _FalTexts())
    request = "/{owner}/{alias}/requests/{job}"
    return [
        maker.check_route("/api/openapi/queue/openapi.json", queue.schema),
        maker.route(f"{request}/status", queue.status),
        maker.route(f"{request}/cancel", queue.cancel, "PUT"),
        maker.route(request, queue.result),
        maker.route("/{model:path}", queue.submit, "POST"),
        maker.unknown_paths(),
    ]


class _Queue:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(_key_of(exchange.request))

    async def schema(self, exchange: Exchange) -> Response:
        """Return the schema of an endpoint that exists; no key is needed."""
        model = exchange.request.query_params.get("endpoint_id", "")
        if not self._kernel.is_offered(model):
            raise UnknownModelError(model)
        services = self._world.scenario.services_at(self._kernel.upstream).values()
        service = next(each for each in services if model in each.wire_names)
        return JSONResponse(_schema(service, model))

    async def submit(self, exchange: Exchange) -> Response:
        """Put a request into the queue."""
        key = self._authenticate(exchange)
        model = exchange.request.path_params["model"]
        name = self._kernel.find_service(model, key)
        fields = await parse_json_body(exchange.request)
        reading = read_input(self._kernel.service(name), model, fields)
        job_id = str(uuid.UUID(self._world.random_hex(32)))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse(
            {
                "status": "IN_QUEUE",
                "request_id": job.id,
                "response_url": self._url(job),
                "status_url": f"{self._url(job)}/status",
                "cancel_url": f"{self._url(job)}/cancel",
                "queue_position": self._position(job),
            }
        )

    async def status(self, exchange: Exchange) -> Response:
        """Return the status; one that failed is COMPLETED too, and says so beside it."""
        job = self._job(exchange, Endpoint.POLL)
        status = self._kernel.progress(job).status
        common: dict[str, JsonValue] = {"request_id": job.id, "response_url": self._url(job)}
        failure = self._failure(job)
        if failure is not None:
            ended = {"error": failure.message, "error_type": _error_type(failure)}
            return JSONResponse({"status": "COMPLETED", **common, **ended})
        if status is JobStatus.QUEUED:
            position = self._position(job)
            return JSONResponse({"status": "IN_QUEUE", "queue_position": position, **common}, 202)
        logs: JsonValue = [] if "logs" in exchange.request.query_params else None
        if status is JobStatus.IN_PROGRESS:
            return JSONResponse({"status": "IN_PROGRESS", "logs": logs, **common}, 202)
        metrics = {"inference_time": job.outcome.duration}
        return JSONResponse({"status": "COMPLETED", "logs": logs, "metrics": metrics, **common})

    async def result(self, exchange: Exchange) -> Response:
        """Return the model's output, or the error of a request that failed."""
        job = self._job(exchange, Endpoint.RESULT)
        if failure := self._failure(job):
            return _failed_result(failure).to_response()
        self._kernel.require_result(job, Endpoint.RESULT)
        video: dict[str, JsonValue] = {
            "url": self._world.file_url(job),
            "content_type": "video/mp4",
            "file_name": f"{job.id}.mp4",
            "file_size": None,
        }
        seed = {} if job.reading.seed is None else {"seed": job.reading.seed}
        is_by_second = self._kernel.service(job.service).price.unit == "per_second"
        units = job.reading.seconds if is_by_second else 1
        return JSONResponse({"video": video, **seed}, headers={"x-fal-billable-units": str(units)})

    async def cancel(self, exchange: Exchange) -> Response:
        """Cancel a request that is queued; one that runs goes on, and is billed."""
        try:
            job = self._job(exchange, Endpoint.CANCEL)
        except UnknownJobError:
            return JSONResponse({"status": "NOT_FOUND"}, 404)
        status = self._kernel.progress(job).status
        if job.is_cancelled or status.is_final:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        if status is JobStatus.QUEUED:
            self._kernel.cancel(job)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    def _job(self, exchange: Exchange, endpoint: Endpoint) -> SimulatedJob:
        self._authenticate(exchange)
        path = exchange.request.path_params
        job = self._kernel.job(exchange, path["job"], endpoint)
        if _application(job.reading.model) != f"{path['owner']}/{path['alias']}":
            raise UnknownJobError(job.id)
        return job

    def _failure(self, job: SimulatedJob) -> JobFailure | None:
        return _CANCELLED if job.is_cancelled else self._kernel.failure(job)

    def _url(self, job: SimulatedJob) -> str:
        return f"{self._kernel.url}/{_application(job.reading.model)}/requests/{job.id}"

    def _position(self, job: SimulatedJob) -> int:
        """Return the number of requests that are queued before one."""
        return sum(
            other.accepted_at < job.accepted_at
            and self._kernel.progress(other).status is JobStatus.QUEUED
            for other in self._world.jobs.values()
            if other.service == job.service
        )


def _key_of(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme == "Key" else ""


def _application(model: str) -> str:
    """Return owner and alias of a model: the paths of a request drop what follows them."""
    return "/".join(model.split("/")[:2])


def read_input(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what a model reads from its input object; fields that it does not know are ignored."""
    prompt = fields.text("prompt")
    if not prompt:
        raise InvalidRequestError("Field required", "prompt", "missing")
    aspect = fields.text("aspect_ratio")
    inputs = _inputs(fields)
    resolution = _resolution(service, fields)
    size = offered_size(service.sizes, ("resolution", resolution), ("aspect_ratio", aspect))
    audio = fields.flag("generate_audio")
    sized = sized_reading(prompt, size, _seconds(service, fields), model)
    return replace(
        sized,
        aspect="input" if inputs and not aspect else sized.aspect,
        audio=True if audio is None else audio,
        seed=fields.integer("seed"),
        negative=fields.text("negative_prompt"),
        inputs=inputs,
    )


def _inputs(fields: JsonFields) -> tuple[InputReading, ...]:
    frames = [
        InputReading(role, "image", source)
        for field, role in _IMAGES.items()
        if (source := fields.address(field, _NOT_FETCHED))
    ]
    return (*frames, *(each for name in _REFERENCES for each in _references(fields, name)))


def _references(fields: JsonFields, name: str) -> Iterator[InputReading]:
    listed = fields.values.get(name) or []
    if not isinstance(listed, list):
        raise InvalidRequestError("Input should be a valid list", name)
    for each in listed:
        source = JsonFields({name: each}).address(name, _NOT_FETCHED)
        yield InputReading("reference", "image", source)


def _resolution(service: ScenarioService, fields: JsonFields) -> str:
    """Return the resolution; a model that spells it "768P" does not know "768p"."""
    text = fields.text("resolution")
    if service.wire.get("resolution") != "upper":
        return text
    if text != text.upper():
        raise InvalidRequestError(f"'{text}' is not supported", "resolution", "literal_error")
    return text.lower()


def _seconds(service: ScenarioService, fields: JsonFields) -> int:
    spelling = _Spelling(service.wire.get("duration", _Spelling.TEXT))
    if "duration" not in fields.values:
        return service.lengths[0]
    given = fields.values["duration"]
    match spelling:
        case _Spelling.INTEGER:
            seconds = fields.integer("duration")
        case _Spelling.TEXT if given == "auto":
            return max(service.lengths)  # the model chooses, and what it makes is billed
        case _Spelling.TEXT:
            text = fields.text("duration")
            seconds = int(text) if text.isdecimal() else None
        case _Spelling.SUFFIXED:
            text = fields.text("duration")
            seconds = int(text[:-1]) if text.endswith("s") and text[:-1].isdecimal() else None
    if seconds not in service.lengths:
        allowed = ", ".join(str(_spelled(length, spelling)) for length in service.lengths)
        raise InvalidRequestError(f"Input should be one of {allowed}", "duration", "value_error")
    return seconds


def _spelled(seconds: int, spelling: _Spelling) -> JsonValue:
    match spelling:
        case _Spelling.INTEGER:
            return seconds
        case _Spelling.TEXT:
            return str(seconds)
        case _Spelling.SUFFIXED:
            return f"{seconds}s"


def _schema(service: ScenarioService, model: str) -> JsonValue:
    """Return the part of an endpoint's OpenAPI document that describes its input."""
    spelling = _Spelling(service.wire.get("duration", _Spelling.TEXT))
    kind = "integer" if spelling is _Spelling.INTEGER else "string"
    lengths: list[JsonValue] = [_spelled(length, spelling) for length in service.lengths]
    properties: dict[str, JsonValue] = {
        "prompt": {"type": "string"},
        "duration": {"type": kind, "enum": lengths},
    }
    inputs: JsonValue = {"type": "object", "required": ["prompt"], "properties": properties}
    return {
        "openapi": "3.0.4",
        "info": {"title": f"Queue OpenAPI for {model}", "version": "1.0.0"},
        "paths": {f"/{model}": {}},
        "components": {"schemas": {"Input": inputs}},
    }


def _client_settings(key: ScenarioKey, base_url: str) -> ClientSettings:
    schemas = f"{base_url}/api/openapi/queue/openapi.json"
    return {"key": key.key, "options": {"openapi_url": schemas}}


TWIN = Twin("fal", ("fal",), "", _routes, _client_settings)
