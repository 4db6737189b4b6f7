"""PixVerse's API: an `ErrCode` under HTTP 200, states as numbers, pictures by upload alone.

Sources: docs.platform.pixverse.ai (upload image, text, image, transition and result pages) and
docs.platform.pai.video (error codes) as stored in 2026; ComfyUI's nodes. What a repeated
`Ai-trace-id` does, the codes of a key, of the balance and of overload, and the texts of risk
control, suspension and maintenance are not verified.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from pydantic import JsonValue
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownPathError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_CREDIT_USD = Decimal("0.01")
_CREDITS = 1000
_MAX_PROMPT = 2048
_KINDS: Mapping[str, Mapping[str, str]] = {
    "text": {},
    "img": {"img_id": "first_frame"},
    "transition": {"first_frame_img": "first_frame", "last_frame_img": "last_frame"},
}
_IMAGE_TYPES = frozenset({"image/png", "image/webp", "image/jpeg", "image/jpg"})
_STATES = {JobStatus.QUEUED: 9, JobStatus.IN_PROGRESS: 5, JobStatus.COMPLETED: 1}
_MODERATED, _FAILED = 7, 8


def _answer(code: int, message: str, found: JsonValue = None) -> SimulatedResponse:
    return SimulatedResponse(200, {"ErrCode": code, "ErrMsg": message, "Resp": found})


class _PixverseTexts(RefusalTexts):
    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[NamedState.AUTH]

    def unknown_model(self, model: str) -> SimulatedResponse:
        return _answer(400017, f"Invalid parameter: model {model}")

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return _answer(500008, "Requested data not found")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return SimulatedResponse(404, "404 page not found")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        code = error.code or "400017"
        return _answer(int(code), f"Invalid parameter: {error.param or 'body'}: {error.message}")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return _STATE_ERRORS[state]


_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.RISK_CONTROL: _answer(
        99999, "Unusual activity was detected. Verify that you are human."
    ),
    NamedState.SUSPENDED: _answer(99999, "This model is temporarily paused."),
    NamedState.MAINTENANCE: _answer(99999, "The service is under maintenance."),
    NamedState.OVERLOADED: _answer(500069, "The system is currently experiencing high load."),
    NamedState.RATE_LIMITED: _answer(500044, "Reached the limit for concurrent generations."),
    NamedState.QUOTA: _answer(500090, "Insufficient balance."),
    NamedState.AUTH: _answer(10005, "Invalid API-KEY"),
    NamedState.CONTENT_REJECTED: _answer(500063, "The text is not compliant. Please re-enter it."),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    videos, maker = _Videos(kernel), RouteMaker(kernel, _PixverseTexts())
    return [
        maker.check_route("/account/balance", videos.balance),
        maker.route("/image/upload", videos.upload, "POST"),
        maker.route("/video/{kind}/generate", videos.create, "POST"),
        maker.route("/video/result/{video}", videos.result),
        maker.unknown_paths(),
    ]


class _Videos:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._traces: set[UUID] = set()
        self._pictures: dict[tuple[str, int], str] = {}

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        key = self._kernel.authenticate(exchange.request.headers.get("api-key", ""))
        try:
            trace = UUID(exchange.request.headers.get("ai-trace-id", ""))
        except ValueError as error:
            raise InvalidRequestError("expected a UUID", "Ai-trace-id") from error
        if trace in self._traces:
            raise InvalidRequestError("it was used before", "Ai-trace-id")
        self._traces.add(trace)
        return key

    async def balance(self, exchange: Exchange) -> Response:
        """Return the credits of the account."""
        key = self._authenticate(exchange)
        left = 0 if key.state == "exhausted" else _CREDITS
        found: JsonValue = {"account_id": 1, "credit_monthly": left, "credit_package": 0}
        return _answer(0, "success", found).to_response()

    async def upload(self, exchange: Exchange) -> Response:
        """Keep a picture, as a file of a form or by its address."""
        key = self._authenticate(exchange)
        self._kernel.check(exchange, Endpoint.UPLOAD)
        source = await _picture(exchange.request)
        number = 100_000 + len(self._pictures)
        self._pictures[key.key, number] = source
        url = f"{self._kernel.url}/media/{number}.png"
        return _answer(0, "success", {"img_id": number, "img_url": url}).to_response()

    async def create(self, exchange: Exchange) -> Response:
        """Accept a video of one kind."""
        key = self._authenticate(exchange)
        kind = exchange.request.path_params["kind"]
        if kind not in _KINDS:
            raise UnknownPathError
        fields = await parse_json_body(exchange.request)
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        inputs = tuple(
            InputReading(role, "image", self._uploaded(key, fields, field))
            for field, role in _KINDS[kind].items()
        )
        reading = _read(self._kernel.service(name), fields, inputs)
        job_id = str(int(self._world.random_hex(12), 16))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        found: JsonValue = {"video_id": int(job.id), "credits": _credits(job)}
        return _answer(0, "success", found).to_response()

    def _uploaded(self, key: ScenarioKey, fields: JsonFields, name: str) -> str:
        source = self._pictures.get((key.key, fields.integer(name) or 0))
        if source is None:
            raise InvalidRequestError("Invalid image ID", name, "400032")
        return source

    async def result(self, exchange: Exchange) -> Response:
        """Return the state of a video."""
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["video"], Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(job.id)
        return JSONResponse({"ErrCode": 0, "ErrMsg": "Success", "Resp": self._video(job)})

    def _video(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        is_done = status is JobStatus.COMPLETED
        number = _STATES.get(status, _FAILED)
        if failure is not None and failure.code == "moderation_blocked":
            number = _MODERATED
        billed = job.billed_usd(self._world.second())
        return {
            "id": int(job.id),
            "status": number,
            "url": self._world.file_url(job) if is_done else "",
            "prompt": job.prompt,
            "negative_prompt": job.reading.negative,
            "seed": job.reading.seed or 0,
            "outputWidth": job.reading.width if is_done else 0,
            "outputHeight": job.reading.height if is_done else 0,
            "credits": int(billed / _CREDIT_USD),
        }


async def _picture(request: Request) -> str:
    form = await request.form()
    file, url = form.get("image"), form.get("image_url")
    if isinstance(file, UploadFile):
        if file.content_type not in _IMAGE_TYPES:
            raise InvalidRequestError("Invalid image format", "image", "500032")
        return f"{file.content_type}, {len(await file.read())} bytes"
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        return url
    raise InvalidRequestError("Empty parameter", "image", "400011")


def _credits(job: SimulatedJob) -> int:
    return int(job.price / _CREDIT_USD)


def _read(
    service: ScenarioService, fields: JsonFields, inputs: tuple[InputReading, ...]
) -> OrderReading:
    prompt, unwanted = fields.text("prompt"), fields.text("negative_prompt")
    if not prompt:
        raise InvalidRequestError("Empty parameter", "prompt", "400011")
    if max(len(prompt), len(unwanted)) > _MAX_PROMPT:
        raise InvalidRequestError("it exceeds 2048 characters", "prompt", "400018")
    seconds = fields.integer("duration")
    seconds = service.lengths[0] if seconds is None else seconds
    if seconds not in service.lengths:
        raise InvalidRequestError("it is not supported", "duration")
    aspect = "" if inputs else fields.text("aspect_ratio")
    size = offered_size(
        service.sizes, ("quality", fields.text("quality")), ("aspect_ratio", aspect)
    )
    sized = sized_reading(prompt, size, seconds, fields.text("model"))
    has_switch = service.wire.get("audio") == "switch"
    return replace(
        sized,
        aspect="input" if inputs else sized.aspect,
        audio=bool(fields.flag("generate_audio_switch")) if has_switch else None,
        seed=fields.integer("seed"),
        negative=unwanted,
        inputs=inputs,
    )


TWIN = Twin("pixverse", ("pixverse",), "/openapi/v2", _routes)
