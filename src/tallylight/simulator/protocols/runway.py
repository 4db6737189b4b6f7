"""Runway's API: a version in each request, a schema for each model, and a cost in credits.

Sources: PyPI `runwayml` 5.24.0 (`types/*_create_params.py`, `task_retrieve_response.py`,
`organization_retrieve_response.py`), docs.dev.runwayml.com (errors, usage, task failures) as of
2026-11. The texts of risk control, of a pause, of a maintenance and of moderated requests are in no
public source; they are our own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from tallylight.simulator.protocols.request_fields import bearer_token
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_VERSION = "2024-11-06"
_CREDIT_USD = Decimal("0.01")
_CREDITS = 100_000
_MODERATED = "SAFETY.INPUT.TEXT"
_INTERNAL = "INTERNAL.BAD_OUTPUT.CODE01"
_LONGEST_PROMPT = 1000
_POSITIONS = {"first": "first_frame", "last": "last_frame"}
_CLASSES = {"2k": "1440p"}
_AUTO = "auto_"


@dataclass(frozen=True, slots=True)
class _Schema:
    """What a model takes beside its name and its prompt, by the path of the create."""

    text: frozenset[str] = frozenset()
    image: frozenset[str] = frozenset()
    video: frozenset[str] = frozenset()


_VEO = frozenset({"ratio", "duration", "audio", "seed", "negativePrompt"})
_HAILUO = frozenset({"ratio", "resolution", "duration", "referenceAudio"})
_GEN_4 = frozenset({"ratio", "duration", "seed", "contentModeration"})
_KLING_4 = frozenset({"ratio", "duration", "references", "referenceVideos"})
_SCHEMAS: Mapping[str, _Schema] = {
    "gen4_turbo": _Schema(image=_GEN_4),
    "veo3.1": _Schema(_VEO, _VEO),
    "hailuo3": _Schema(_HAILUO | {"references", "referenceVideos"}, _HAILUO),
    "kling_4": _Schema(_KLING_4, _KLING_4, frozenset({"ratio", "references"})),
}


def _error(status: int, message: str) -> SimulatedResponse:
    return SimulatedResponse(status, {"error": message})


def _invalid(code: str, path: str, message: str) -> SimulatedResponse:
    place: list[JsonValue] = [path]
    issue: dict[str, JsonValue] = {"code": code, "path": place, "message": message}
    body: dict[str, JsonValue] = {
        "error": "Validation of body failed",
        "issues": [issue],
        "docUrl": "https://docs.dev.runwayml.com/api",
    }
    return SimulatedResponse(400, body)


class _RunwayTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:
        return _error(401, "The API key is invalid." if key else "No API key was provided.")

    def unknown_model(self, model: str) -> SimulatedResponse:  # noqa: ARG002  # it is not repeated
        return _invalid("invalid_union_discriminator", "model", "Invalid discriminator value.")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return _error(404, f"Task {job_id} not found.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return _error(405, f"{method} {path} is not supported.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        if error.param is None:
            return _error(400, error.message)
        return _invalid(error.code or "custom", error.param, error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _error(
        403, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _error(503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: _error(503, "The API is under scheduled maintenance."),
    NamedState.OVERLOADED: _error(503, "The service is temporarily overloaded."),
    NamedState.RATE_LIMITED: _error(429, "Too many requests."),
    NamedState.QUOTA: _error(400, "You do not have enough credits to run this task."),
    NamedState.AUTH: _error(401, "The API key is invalid."),
    NamedState.CONTENT_REJECTED: _error(400, "The prompt was blocked by content moderation."),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _RunwayTexts())
    return [
        maker.check_route("/v1/organization", tasks.organization),
        maker.route("/v1/text_to_video", tasks.from_text, "POST"),
        maker.route("/v1/image_to_video", tasks.from_image, "POST"),
        maker.route("/v1/video_to_video", tasks.from_video, "POST"),
        maker.route("/v1/tasks/{task}", tasks.query),
        maker.route("/v1/tasks/{task}", tasks.delete, "DELETE"),
        maker.unknown_paths(),
    ]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        """Return the caller's key; a request without the version is refused before."""
        if exchange.request.headers.get("x-runway-version") != _VERSION:
            raise InvalidRequestError(f"The header X-Runway-Version must be {_VERSION}.")
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def organization(self, exchange: Exchange) -> Response:
        """Return the credits of the account, and the models of its tier."""
        key = self._authenticate(exchange)
        models = self._kernel.listed_models(key)
        limits = {"maxConcurrentGenerations": 3, "maxDailyGenerations": 500}
        return JSONResponse(
            {
                "creditBalance": 0 if key.state == "exhausted" else _CREDITS,
                "tier": {
                    "maxMonthlyCreditSpend": 10_000,
                    "models": {each: {**limits} for each in models},
                },
                "usage": {"models": {each: {"dailyGenerations": 1} for each in models}},
            }
        )

    async def from_text(self, exchange: Exchange) -> Response:
        """Accept a task that begins with a text."""
        return await self._create(exchange, "text")

    async def from_image(self, exchange: Exchange) -> Response:
        """Accept a task that begins with a picture."""
        return await self._create(exchange, "image")

    async def from_video(self, exchange: Exchange) -> Response:
        """Accept a task that changes a film."""
        return await self._create(exchange, "video")

    async def _create(self, exchange: Exchange, kind: str) -> Response:
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading = read_runway_task(self._kernel.service(name), kind, fields)
        job_id = str(uuid.UUID(self._world.random_hex(32)))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse({"id": job.id, "estimatedCost": _credits(job.price)})

    async def query(self, exchange: Exchange) -> Response:
        """Return a task."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], Endpoint.POLL)
        return JSONResponse(self._task(job, self._kernel.failure(job)))

    async def delete(self, exchange: Exchange) -> Response:
        """Cancel a task that has not ended; delete one that has, and its film."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["task"], Endpoint.CANCEL)
        if job.is_cancelled or self._kernel.progress(job).status.is_final:
            self._kernel.forget(job)
        else:
            self._kernel.cancel(job)
        return Response(status_code=204)

    def _task(self, job: SimulatedJob, failure: JobFailure | None) -> dict[str, JsonValue]:
        created = datetime.fromtimestamp(job.created_at, UTC).isoformat()
        task: dict[str, JsonValue] = {"id": job.id, "createdAt": created}
        cost = {"cost": _credits(job.billed_usd(self._world.second()))}
        progress = self._kernel.progress(job)
        if job.is_cancelled:
            return {**task, "status": "CANCELLED", **cost}
        if failure is not None:
            is_known = failure.code.isupper()
            code = failure.code if is_known else _INTERNAL
            if failure.code == "moderation_blocked":
                code = _MODERATED
            ended = {"failure": failure.message, "failureCode": code}
            return {**task, "status": "FAILED", **ended, **cost}
        if progress.status is JobStatus.COMPLETED:
            return {**task, "status": "SUCCEEDED", "output": [self._world.file_url(job)], **cost}
        task["estimatedCost"] = _credits(job.price)
        if progress.status is JobStatus.QUEUED:
            is_over_limit = self._kernel.service(job.service).wire.get("queued") == "throttled"
            return {**task, "status": "THROTTLED" if is_over_limit else "PENDING"}
        return {**task, "status": "RUNNING", "progress": progress.percent / 100}


def _credits(usd: Decimal) -> dict[str, JsonValue]:
    return {"credits": float(usd / _CREDIT_USD)}


def read_runway_task(service: ScenarioService, kind: str, fields: JsonFields) -> OrderReading:
    """Return what is read from a create of one kind; raise InvalidRequestError."""
    model, prompt = fields.text("model"), fields.text("promptText")
    schema = _SCHEMAS.get(model)
    known: frozenset[str] = frozenset() if schema is None else getattr(schema, kind)
    if not known:
        raise UnknownModelError(model)
    inputs = _inputs(kind, fields)
    for name in fields.values:
        if name not in known | {"model", "promptText", *_PLACES[kind]}:
            raise InvalidRequestError("Unrecognized key", name, "unrecognized_keys")
    if not prompt:
        raise InvalidRequestError("Required", "promptText", "too_small")
    if len(prompt.encode("utf-16-le")) > 2 * _LONGEST_PROMPT:
        raise InvalidRequestError(f"At most {_LONGEST_PROMPT}", "promptText", "too_big")
    seconds = fields.integer("duration")
    if seconds is not None and seconds not in service.lengths:
        raise InvalidRequestError("Invalid length", "duration", "invalid_literal")
    size, is_like_input = _frame(service, known, kind, fields)
    sized = sized_reading(prompt, size, seconds or service.lengths[0], model)
    named = next((name for name, each in _CLASSES.items() if each == sized.resolution), "")
    audio = fields.flag("audio")
    return replace(
        sized,
        resolution=named or sized.resolution,
        aspect="input" if is_like_input else sized.aspect,
        audio=(True if audio is None else audio) if "audio" in known else None,
        seed=fields.integer("seed"),
        negative=fields.text("negativePrompt"),
        inputs=inputs,
    )


#: Where the inputs of each kind are.
_PLACES = {"text": (), "image": ("promptImage",), "video": ("videoUri",)}


def _frame(
    service: ScenarioService, known: frozenset[str], kind: str, fields: JsonFields
) -> tuple[str, bool]:
    """Return the size of a task, and whether its shape is that of the picture or film."""
    ratio = fields.text("ratio")
    if "resolution" in known:
        given = fields.text("resolution").lower()
        is_like_input = ratio == "adaptive" or (kind == "image" and not ratio)
        aspect = "" if is_like_input else ratio
        class_ = _CLASSES.get(given, given)
        size = offered_size(service.sizes, ("resolution", class_), ("ratio", aspect))
        return size, is_like_input
    if kind != "text" and ratio.startswith(_AUTO):
        class_ = ratio.removeprefix(_AUTO)
        return offered_size(service.sizes, ("ratio", class_), ("ratio", "")), True
    size = ratio.replace(":", "x")
    if not size:
        return service.sizes[0], kind == "video"
    if size not in service.sizes:
        raise InvalidRequestError("Invalid ratio", "ratio", "invalid_enum_value")
    return size, False


def _inputs(kind: str, fields: JsonFields) -> tuple[InputReading, ...]:
    references = tuple(
        InputReading("reference", "image", each.address("uri", "invalid_string"))
        for each in fields.items("references")
    )
    if kind == "video":
        film = fields.address("videoUri", "invalid_string", "video")
        if not film:
            raise InvalidRequestError("Required", "videoUri", "invalid_type")
        return (InputReading("source", "video", film), *references)
    frames = () if kind == "text" else tuple(_frames(fields))
    if kind == "image" and not frames:
        raise InvalidRequestError("Required", "promptImage", "invalid_type")
    return (*frames, *references)


def _frames(fields: JsonFields) -> list[InputReading]:
    given = fields.values.get("promptImage")
    if given is None or isinstance(given, str):
        address = fields.address("promptImage", "invalid_string")
        return [InputReading("first_frame", "image", address)] if address else []
    return [
        InputReading(
            _POSITIONS[each.choice("position", tuple(_POSITIONS))],
            "image",
            each.address("uri", "invalid_string"),
        )
        for each in fields.items("promptImage")
    ]


TWIN = Twin("runway", ("runway",), "", _routes)
