"""Luma's Agents API: a generation is made by its type, and is asked for by its id alone.

Sources: PyPI `luma-agents` 0.5.0, docs.agents.lumalabs.ai as stored in 2026. The bodies of errors
beside `detail`, and that a model which makes films needs a type, are not verified.
"""

import base64
import binascii
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_LENGTHS = {"5s": 5, "10s": 10}
_RESOLUTIONS = ("360p", "540p", "720p", "1080p")
_SHORT = 5
_FRAMES = (("start_frame", "first_frame"), ("end_frame", "last_frame"))
_FAILURE_CODES = frozenset(
    {"budget_exhausted", "output_not_found", "image_too_large", "unsupported_format"}
    | {"corrupt_input", "invalid_request", "rate_limited"}
)
_STATUS_WORDS = {
    JobStatus.QUEUED: "queued",
    JobStatus.IN_PROGRESS: "processing",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
}


def _detail(status: int, detail: JsonValue) -> SimulatedResponse:
    return SimulatedResponse(status, {"detail": detail})


class _LumaTexts(RefusalTexts):
    def headers(self, world: Simulation) -> Mapping[str, str]:  # noqa: ARG002
        return {"X-API-Version": "2026-09-01"}

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[NamedState.AUTH]

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _detail(404, f"Model not found: {model}")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _detail(404, "Generation not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return _detail(404, "Not Found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place: list[JsonValue] = ["body", *(error.param or "").split(".")]
        return _detail(422, [{"loc": place, "msg": error.message, "type": "value_error"}])

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _detail(
        403, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _detail(403, "Your account has been suspended."),
    NamedState.MAINTENANCE: _detail(503, "The service is under maintenance."),
    NamedState.OVERLOADED: _detail(503, "The service is overloaded."),
    NamedState.RATE_LIMITED: _detail(429, "Rate limit exceeded"),
    NamedState.QUOTA: _detail(402, "Insufficient credits"),
    NamedState.AUTH: _detail(401, "Invalid API key"),
    NamedState.CONTENT_REJECTED: _detail(400, "The prompt did not pass moderation"),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    generations, maker = _Generations(kernel), RouteMaker(kernel, _LumaTexts())
    return [
        maker.check_route("/files", generations.files),
        maker.route("/generations", generations.create, "POST"),
        maker.route("/generations/{id}", generations.get),
        maker.unknown_paths(),
    ]


class _Generations:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        return self._kernel.authenticate(key if scheme == "Bearer" else "")

    async def files(self, exchange: Exchange) -> Response:
        """Return the files that were uploaded; there are none."""
        self._authenticate(exchange)
        return JSONResponse({"data": [], "has_more": False, "next_cursor": None})

    async def create(self, exchange: Exchange) -> Response:
        """Accept a generation."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading = _read(self._kernel.service(name), model, fields)
        job_id = str(uuid.UUID(self._world.random_hex(32)))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse(self._generation(job), 201)

    async def get(self, exchange: Exchange) -> Response:
        """Return a generation."""
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["id"], Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return JSONResponse(self._generation(job))

    def _generation(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        film: JsonValue = {"type": "video", "url": self._world.file_url(job)}
        created_at = datetime.fromtimestamp(job.created_at, UTC)
        return {
            "id": job.id,
            "created_at": created_at.isoformat().replace("+00:00", "Z"),
            "model": job.outcome.output.model,
            "state": _STATUS_WORDS[status],
            "type": "video",
            "failure_code": _failure_code(failure) if failure else None,
            "failure_reason": failure.message if failure else None,
            "output": [film] if status is JobStatus.COMPLETED else [],
        }


def _failure_code(failure: JobFailure) -> str:
    if failure.code == "moderation_blocked":
        return "content_moderated"
    return failure.code if failure.code in _FAILURE_CODES else "generation_failed"


def _read(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what a create orders."""
    prompt = fields.text("prompt")
    if not prompt:
        raise InvalidRequestError("Field required", "prompt")
    if fields.text("type") != "video":
        raise InvalidRequestError(f"{model} makes type=video", "type")
    given = fields.values.get("video", {})
    if not isinstance(given, dict):
        raise InvalidRequestError("Input should be an object", "video")
    options = JsonFields(given)
    inputs = tuple(_frames(options))
    seconds = _LENGTHS[options.choice("duration", tuple(_LENGTHS))]
    if seconds != _SHORT and (inputs or options.flag("loop")):
        raise InvalidRequestError("start_frame, end_frame and loop need duration=5s", "video")
    resolution = options.text("resolution")
    if resolution and resolution not in _RESOLUTIONS:
        raise InvalidRequestError("Input should be 360p, 540p, 720p or 1080p", "video.resolution")
    size = offered_size(
        service.sizes,
        ("video.resolution", resolution),
        ("aspect_ratio", fields.text("aspect_ratio")),
    )
    sized = sized_reading(prompt, size, seconds, model)
    return replace(sized, inputs=inputs)


def _frames(options: JsonFields) -> Iterator[InputReading]:
    for name, role in _FRAMES:
        given = options.values.get(name)
        if given is not None:
            if not isinstance(given, dict):
                raise InvalidRequestError("Input should be an object", f"video.{name}")
            yield InputReading(role, "image", _picture(JsonFields(given), f"video.{name}"))


def _picture(given: JsonFields, name: str) -> str:
    """Return the one way in which a picture is given: its address, or its bytes with a type."""
    if len({"url", "data", "generation_id", "file_id"} & given.values.keys()) != 1:
        raise InvalidRequestError("Provide exactly one of url, data, generation_id, file_id", name)
    if url := given.text("url"):
        if not url.startswith(("http://", "https://")):
            raise InvalidRequestError("Input should be a valid URL", f"{name}.url")
        return url
    media_type = given.text("media_type")
    if not media_type.startswith("image/"):
        raise InvalidRequestError("media_type is required with data", f"{name}.media_type")
    try:
        return f"{len(base64.b64decode(given.text('data'), validate=True))} bytes"
    except binascii.Error as error:
        raise InvalidRequestError("Input should be base64", f"{name}.data") from error


TWIN = Twin("luma", ("luma",), "/v1", _routes)
