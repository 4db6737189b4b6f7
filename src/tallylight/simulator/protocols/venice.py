"""Venice's video queue: whoever asks for a finished job gets the film itself.

Sources: docs.venice.ai, guides/media/video-generation, api-reference/endpoint/video and
error-codes, of 2026-11. The word for a job that still waits, the form of a job whose generation
failed, and the texts of risk control, suspension and maintenance are in no public source; they are
our own.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus, reading_price
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, ResultLateError, UnknownJobError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_USUAL_MS = 145_000
_FIELDS = frozenset(
    {"model", "prompt", "negative_prompt", "duration", "resolution", "aspect_ratio", "audio"}
    | {"image_url", "end_image_url", "reference_image_urls", "consents"}
)
_PICTURES = {"image_url": "first_frame", "end_image_url": "last_frame"}
_MAX_PROMPT = 2500


def _error(status: int, message: str, **more: JsonValue) -> SimulatedResponse:
    return SimulatedResponse(status, {"error": message, **more})


class _VeniceTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(401, "Authentication failed")

    def unknown_model(self, model: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(404, "Specified model not found")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(404, "Media could not be found. Request may be invalid or expired.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return _error(404, "Not found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        details: JsonValue = {"_errors": [], error.param or "body": {"_errors": [error.message]}}
        return _error(400, "Invalid request parameters", details=details, issues=[])

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _error(503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: _error(503, "The API is under scheduled maintenance."),
    NamedState.OVERLOADED: _error(503, "The model is at capacity. Please try again later."),
    NamedState.RATE_LIMITED: _error(429, "Rate limit exceeded"),
    NamedState.QUOTA: _error(
        402,
        "Insufficient USD or Diem balance to complete request. Visit "
        "https://venice.ai/settings/api to add credits.",
    ),
    NamedState.AUTH: _error(401, "Authentication failed"),
    NamedState.CONTENT_REJECTED: _error(
        422, "Your prompt violates the content policy of Venice.ai or the model provider"
    ),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    queue, maker = _Queue(kernel), RouteMaker(kernel, _VeniceTexts())
    return [
        maker.check_route("/models", queue.models),
        maker.check_route("/video/quote", queue.quote, "POST"),
        maker.route("/video/queue", queue.create, "POST"),
        maker.route("/video/retrieve", queue.retrieve, "POST"),
        maker.route("/video/complete", queue.complete, "POST"),
        maker.unknown_paths(),
    ]


class _Queue:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        return self._kernel.authenticate(key if scheme == "Bearer" else "")

    async def models(self, exchange: Exchange) -> Response:
        """List the models."""
        models = self._kernel.listed_models(self._authenticate(exchange))
        data: JsonValue = [{"id": each, "object": "model", "type": "video"} for each in models]
        return JSONResponse({"object": "list", "data": data, "type": "video"})

    async def quote(self, exchange: Exchange) -> Response:
        """Return the price of an order in USD; nothing is made, and no prompt is asked for."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        if model not in self._kernel.listed_models(key):
            return _error(404, "Specified model not found").to_response()
        service = self._kernel.service(name)
        reading = _read(service, model, JsonFields({**fields.values, "prompt": "a boat"}))
        return JSONResponse({"quote": float(reading_price(service.price, reading))})

    async def create(self, exchange: Exchange) -> Response:
        """Queue a job."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        if unknown := sorted(fields.values.keys() - _FIELDS):
            raise InvalidRequestError("Unrecognized key", unknown[0])
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading = _read(self._kernel.service(name), model, fields)
        job_id = str(UUID(self._world.random_hex(32)))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse({"model": model, "queue_id": job.id})

    async def retrieve(self, exchange: Exchange) -> Response:
        """Return the film of a finished job, the state of any other."""
        job, fields = await self._job(exchange, Endpoint.POLL)
        status = self._kernel.progress(job).status
        if failure := self._kernel.failure(job):
            return self._failed(job, failure).to_response()
        if status is not JobStatus.COMPLETED:
            return self._state(job, "QUEUED" if status is JobStatus.QUEUED else "PROCESSING")
        try:
            self._kernel.result(exchange, job.id, Endpoint.CONTENT)
        except ResultLateError:
            return self._state(job, "PROCESSING")
        film = await file_response(self._world, exchange.request, job)
        if fields.flag("delete_media_on_completion"):
            self._kernel.forget(job)
        return film

    async def complete(self, exchange: Exchange) -> Response:
        """Delete what is kept of a job."""
        job, _ = await self._job(exchange, Endpoint.CANCEL)
        self._kernel.forget(job)
        return JSONResponse({"success": True})

    async def _job(self, exchange: Exchange, endpoint: Endpoint) -> tuple[SimulatedJob, JsonFields]:
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        id_ = fields.text("queue_id")
        job = self._kernel.job(exchange, id_, endpoint)
        if job.key != key.key or job.reading.model != fields.text("model"):
            raise UnknownJobError(id_)
        return job, fields

    def _state(self, job: SimulatedJob, word: str) -> Response:
        taken = int((self._world.second() - job.accepted_at) * 1000)
        return JSONResponse(
            {"status": word, "average_execution_time": _USUAL_MS, "execution_duration": taken}
        )

    def _failed(self, job: SimulatedJob, failure: JobFailure) -> SimulatedResponse:
        is_refunded = not job.billed_usd(self._world.second())
        if failure.code == "moderation_blocked":
            message = "Your generation was blocked due to the model provider's content policies."
            return _error(422, message, credits_refunded=is_refunded)
        return _error(500, "Inference processing failed", credits_refunded=is_refunded)


def _read(service: ScenarioService, model: str, fields: JsonFields) -> OrderReading:
    """Return what is read from a create or a quote; raise InvalidRequestError."""
    prompt = fields.text("prompt")
    if not prompt or len(prompt) > _MAX_PROMPT:
        raise InvalidRequestError(f"Expected 1 to {_MAX_PROMPT} characters", "prompt")
    duration = fields.text("duration")
    number = duration.removesuffix("s")
    seconds = int(number) if number.isdecimal() else service.lengths[0]
    if duration and (duration == number or seconds not in service.lengths):
        allowed = ", ".join(f"{each}s" for each in service.lengths)
        raise InvalidRequestError(f"Expected one of {allowed}", "duration")
    inputs = _pictures(fields)
    aspect = fields.text("aspect_ratio")
    resolution = ("resolution", fields.text("resolution"))
    size = offered_size(service.sizes, resolution, ("aspect_ratio", aspect))
    sized = sized_reading(prompt, size, seconds, model)
    is_silent = service.wire.get("audio") == "none"
    return replace(
        sized,
        aspect="input" if inputs and not aspect else sized.aspect,
        audio=None if is_silent else fields.flag("audio") is not False,
        negative=fields.text("negative_prompt"),
        inputs=inputs,
    )


def _pictures(fields: JsonFields) -> tuple[InputReading, ...]:
    frames = [
        InputReading(role, "image", source)
        for name, role in _PICTURES.items()
        if (source := fields.address(name, "invalid"))
    ]
    several = fields.values.get("reference_image_urls") or []
    if not isinstance(several, list):
        raise InvalidRequestError("Expected an array", "reference_image_urls")
    references = [
        InputReading("reference", "image", JsonFields({"url": each}).address("url", "invalid"))
        for each in several
    ]
    return (*frames, *references)


TWIN = Twin("venice", ("venice",), "/api/v1", _routes)
