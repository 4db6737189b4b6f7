"""OpenRouter's videos: a create is answered with 202, and a finished job tells what it cost.

Sources: PyPI `openrouter` 1.3.84 (`components/videogeneration*.py`, `components/videomodel.py`),
openrouter.ai/docs (videos, errors) as of 2026-11. The texts of risk control, of a pause and of a
maintenance are in no public source; they are our own. What a model makes that is asked for no sound
is not verified.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.protocols.request_fields import bearer_token
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, NoContentError, UnknownJobError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_RESOLUTIONS = ("360p", "480p", "720p", "768p", "1080p", "1K", "2K", "4K")
_SIZE = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_LIFETIME_S = 7 * 86_400
_WORDS = {
    JobStatus.QUEUED: "pending",
    JobStatus.IN_PROGRESS: "in_progress",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
}


def _error(
    status: int,
    message: str,
    metadata: Mapping[str, JsonValue] | None = None,
    headers: Mapping[str, str] | None = None,
) -> SimulatedResponse:
    error: dict[str, JsonValue] = {"code": status, "message": message}
    if metadata:
        error["metadata"] = {**metadata}
    return SimulatedResponse(status, {"error": error}, headers or {})


class _OpenRouterTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:
        return _error(401, "User not found." if key else "No auth credentials found")

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _error(400, f"{model} is not a valid model ID")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return _error(404, f"Video generation job {job_id} not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(404, f"Not Found: {path}")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place = f"{error.param}: " if error.param else ""
        return _error(400, place + error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(409, "Video generation is not completed yet")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        return _error(410, "The video has expired and is no longer available")

    def result_late(self, job: SimulatedJob) -> SimulatedResponse:  # noqa: ARG002
        return _error(502, "The provider did not return the video")


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _error(503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: _error(503, "The video API is under scheduled maintenance."),
    NamedState.OVERLOADED: _error(502, "Provider returned error", {"provider_name": "Maker"}),
    # The one of two meanings of 402 that passes by itself.
    NamedState.RATE_LIMITED: _error(
        402, "The budget of requests in flight is exhausted.", headers={"retry-after": "5"}
    ),
    NamedState.QUOTA: _error(
        402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
    ),
    NamedState.AUTH: _error(401, "User not found."),
    NamedState.CONTENT_REJECTED: _error(
        403,
        "The input was flagged.",
        {"reasons": ["violence"], "flagged_input": "a boat", "provider_name": "Maker"},
    ),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    videos, maker = _Videos(kernel), RouteMaker(kernel, _OpenRouterTexts())
    return [
        maker.check_route("/videos/models", videos.models),
        maker.check_route("/key", videos.key),
        maker.route("/generation", videos.generation),
        maker.route("/videos", videos.create, "POST"),
        maker.route("/videos/{job}", videos.status),
        maker.route("/videos/{job}/content", videos.content),
        maker.unknown_paths(),
    ]


class _Videos:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def models(self, exchange: Exchange) -> Response:  # noqa: ARG002  # nobody has to say who asks
        """Return the models, for all to see."""
        services = self._world.scenario.services_at(self._kernel.upstream).values()
        created = int(self._world.scenario.start.timestamp())
        return JSONResponse(
            {
                "data": [
                    _model(each, created)
                    for each in services
                    if self._kernel.is_offered(each.model)
                ]
            }
        )

    async def key(self, exchange: Exchange) -> Response:
        """Return what a key is, and what it may still spend."""
        key = self._authenticate(exchange)
        is_empty = key.state == "exhausted"
        data: dict[str, JsonValue] = {
            "label": f"{key.key[:6]}...",
            "limit": 100 if is_empty else None,
            "limit_remaining": 0 if is_empty else None,
            "usage": 100 if is_empty else 1.5,
            "is_free_tier": False,
        }
        return JSONResponse({"data": data})

    async def create(self, exchange: Exchange) -> Response:
        """Accept a job."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading = read_openrouter_video(self._kernel.service(name), model, fields)
        created = int(self._world.clock.unix_time())
        job_id = f"gen-vid-{created}-{self._world.random_hex(20)}"
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse(self._job(job), 202)

    async def status(self, exchange: Exchange) -> Response:
        """Return a job."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.POLL)
        return JSONResponse(self._job(job))

    async def content(self, exchange: Exchange) -> Response:
        """Return the film of a finished job."""
        self._authenticate(exchange)
        request = exchange.request
        job = self._kernel.result(exchange, request.path_params["job"], Endpoint.CONTENT)
        index = request.query_params.get("index", "0")
        if not index.isdecimal():
            raise InvalidRequestError("Expected a number", "index")
        if int(index):
            raise NoContentError(job)
        return await file_response(self._world, request, job)

    async def generation(self, exchange: Exchange) -> Response:
        """Return the record of a finished job, which has its cost."""
        self._authenticate(exchange)
        id_ = exchange.request.query_params.get("id", "")
        if not id_.startswith("gen-"):
            raise UnknownJobError(id_)
        job = self._kernel.job(exchange, f"gen-vid-{id_.removeprefix('gen-')}", Endpoint.RESULT)
        self._kernel.require_result(job, Endpoint.RESULT)
        cost = float(job.price)
        data: dict[str, JsonValue] = {
            "id": id_,
            "model": job.reading.model,
            "provider_name": "Maker",
            "is_byok": False,
            "total_cost": cost,
            "usage": cost,
        }
        return JSONResponse({"data": data})

    def _job(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        document: dict[str, JsonValue] = {
            "id": job.id,
            "polling_url": f"/api/v1/videos/{job.id}",
            "status": _WORDS[status],
        }
        if status.is_final:
            document["generation_id"] = f"gen-{job.id.removeprefix('gen-vid-')}"
            document["usage"] = {"cost": None, "is_byok": False}
        if failure is not None:
            document["error"] = failure.message
        if status is JobStatus.COMPLETED:
            document["urls"] = [self._world.file_url(job)]
            document["unsigned_urls"] = [f"{self._kernel.url}/videos/{job.id}/content?index=0"]
            document["expires_at"] = int(self._world.clock.unix_time()) + _LIFETIME_S
            if self._kernel.service(job.service).wire.get("cost") != "later":
                document["usage"] = {"cost": float(job.price), "is_byok": False}
        return document


def _model(service: ScenarioService, created: int) -> JsonValue:
    unit = "duration_seconds" if service.price.unit == "per_second" else "generate"
    skus: dict[str, JsonValue] = {
        unit if name == "*" else f"{unit}_{name}": str(rate)
        for name, rate in service.price.rates.items()
    }
    return {
        "id": service.model,
        "canonical_slug": f"{service.model}-20261001",
        "name": service.name,
        "created": created,
        "supported_durations": list(service.lengths),
        "supported_resolutions": None,
        "supported_aspect_ratios": None,
        "supported_sizes": list(service.sizes),
        "supported_frame_images": ["first_frame", "last_frame"],
        "generate_audio": service.wire.get("sound") != "none",
        "seed": True,
        "creativity": None,
        "upscale_factor": None,
        "pricing_skus": skus,
        "allowed_passthrough_parameters": [],
    }


def read_openrouter_video(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what is read from a create; values that the model has not are refused."""
    prompt, inputs = fields.text("prompt"), _inputs(fields)
    if not prompt and not inputs:
        raise InvalidRequestError("Required for this model", "prompt")
    seconds = fields.integer("duration")
    if seconds is not None and seconds not in service.lengths:
        allowed = ", ".join(map(str, service.lengths))
        raise InvalidRequestError(f"Supported durations are {allowed}", "duration")
    sized = sized_reading(prompt, _size(service, fields), seconds or service.lengths[0], model)
    return replace(sized, audio=_sound(service, fields), seed=fields.integer("seed"), inputs=inputs)


def _size(service: ScenarioService, fields: JsonFields) -> str:
    if size := fields.text("size"):
        if not _SIZE.fullmatch(size) or size not in service.sizes:
            raise InvalidRequestError("Unsupported size", "size")
        return size
    resolution = fields.text("resolution")
    if resolution and resolution not in _RESOLUTIONS:
        raise InvalidRequestError(f"Expected one of {', '.join(_RESOLUTIONS)}", "resolution")
    aspect = ("aspect_ratio", fields.text("aspect_ratio"))
    return offered_size(service.sizes, ("resolution", resolution.lower()), aspect)


def _sound(service: ScenarioService, fields: JsonFields) -> bool | None:
    asked = fields.flag("generate_audio")
    if service.wire.get("sound") != "none":
        return True if asked is None else asked
    if asked:
        raise InvalidRequestError("The model has no sound", "generate_audio")
    return None


def _inputs(fields: JsonFields) -> tuple[InputReading, ...]:
    frames = [
        InputReading(each.choice("frame_type", ("first_frame", "last_frame")), "image", _url(each))
        for each in fields.items("frame_images")
    ]
    references = [
        InputReading("reference", "image", _url(each)) for each in fields.items("input_references")
    ]
    return (*frames, *references)


def _url(part: JsonFields) -> str:
    if part.text("type") != "image_url":
        raise InvalidRequestError("Only pictures are simulated", "type")
    held = part.values.get("image_url")
    if not isinstance(held, dict):
        raise InvalidRequestError("Expected an object with a url", "image_url")
    return JsonFields(held).address("url", "400")


TWIN = Twin("openrouter", ("openrouter",), "/api/v1", _routes)
