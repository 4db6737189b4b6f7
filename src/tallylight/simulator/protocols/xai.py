"""xAI's videos: 202 while a job runs, and a film that moderation holds back is done all the same.

Sources: npm `@ai-sdk/xai` 5.0.12 (`xai-video-*.ts`), PyPI `xai-sdk` 1.21.0, docs.x.ai of 2026-11.
What an edit and an extension of a film of unknown length cost is not verified.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size
from tallylight.simulator.protocols.xai_texts import GrokAccount, GrokTexts, ticks
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.scenario import ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest

_RESOLUTIONS = ("480p", "720p", "1080p")
_ASPECTS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")
_LONGEST_PROMPT, _MAX_REFERENCES = 4096, 7
_EXTENSIONS = range(2, 11)
_DEFAULT_EXTENSION = 6
#: What a film has that is edited or extended.
_OF_FILM = ("resolution", "aspect_ratio", "generate_audio", "image", "last_frame")

_Reader = Callable[[ScenarioService, JsonFields], OrderReading]


def _routes(kernel: Kernel) -> list[BaseRoute]:
    account = GrokAccount(kernel)
    videos, maker = _Videos(kernel, account), RouteMaker(kernel, GrokTexts())
    return [
        *account.routes(maker),
        maker.route("/videos/generations", videos.generate, "POST"),
        maker.route("/videos/edits", videos.edit, "POST"),
        maker.route("/videos/extensions", videos.extend, "POST"),
        maker.route("/videos/{job}", videos.status),
        maker.unknown_paths(),
    ]


class _Videos:
    def __init__(self, kernel: Kernel, account: GrokAccount) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._account = account

    async def generate(self, exchange: Exchange) -> Response:
        """Make a film."""
        return await self._create(exchange, read_generation)

    async def edit(self, exchange: Exchange) -> Response:
        """Change a film; it keeps its length and its frame."""
        return await self._create(exchange, read_edit)

    async def extend(self, exchange: Exchange) -> Response:
        """Add seconds to a film; they alone are charged."""
        return await self._create(exchange, read_extension)

    async def _create(self, exchange: Exchange, read: _Reader) -> Response:
        key = self._account.authenticate(exchange)
        fields = await self._account.fields(exchange)
        name = self._kernel.find_service(fields.text("model"), key)
        reading = read(self._kernel.service(name), fields)
        job_id = str(uuid.UUID(self._world.random_hex(32)))
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse({"request_id": job.id})

    async def status(self, exchange: Exchange) -> Response:
        """Return a job: 202 while it runs, with or without a body."""
        self._account.authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.POLL)
        progress = self._kernel.progress(job)
        if not progress.status.is_final:
            if self._kernel.service(job.service).wire.get("pending") == "empty":
                return Response(status_code=202)
            return JSONResponse({"status": "pending", "progress": progress.percent}, 202)
        return JSONResponse(self._ended(job, self._kernel.failure(job)))

    def _ended(self, job: SimulatedJob, failure: JobFailure | None) -> dict[str, JsonValue]:
        usage = {"cost_in_usd_ticks": ticks(job.billed_usd(self._world.second()))}
        common: dict[str, JsonValue] = {"model": job.outcome.output.model, "usage": {**usage}}
        is_held_back = failure is not None and failure.code == "moderation_blocked"
        if failure is not None and not is_held_back:
            error: JsonValue = {"code": failure.code, "message": failure.message}
            return {"status": "failed", "error": error, **common}
        video: dict[str, JsonValue] = {
            "url": "" if is_held_back else self._world.file_url(job),
            "duration": job.outcome.output.seconds,
            "respect_moderation": not is_held_back,
        }
        return {"status": "done", "video": video, **common}


def read_generation(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what is read from the create of a film; raise InvalidRequestError."""
    if "video" in fields.values:
        raise InvalidRequestError("Argument not supported", "video")
    inputs = _inputs(fields, service)
    seconds = fields.integer("duration")
    if seconds is not None and seconds not in service.lengths:
        raise InvalidRequestError("Must be one of the model's durations", "duration")
    aspect = fields.text("aspect_ratio")
    if aspect and aspect not in _ASPECTS:
        raise InvalidRequestError(f"Must be one of {', '.join(_ASPECTS)}", "aspect_ratio")
    resolution = fields.choice("resolution", _RESOLUTIONS)
    size = offered_size(service.sizes, ("resolution", resolution), ("aspect_ratio", aspect))
    return _reading(service, fields, size, seconds or service.lengths[0], inputs)


def read_edit(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what is read from an edit; what the film has already is refused."""
    _refuse(fields, (*_OF_FILM, "duration"))
    return _reading(service, fields, service.sizes[0], service.lengths[0], _film(fields))


def read_extension(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what is read from an extension; what the film has already is refused."""
    _refuse(fields, _OF_FILM)
    seconds = fields.integer("duration") or _DEFAULT_EXTENSION
    if seconds not in _EXTENSIONS:
        raise InvalidRequestError("Must be 2 to 10", "duration")
    return _reading(service, fields, service.sizes[0], seconds, _film(fields))


def _reading(
    service: ScenarioService,
    fields: JsonFields,
    size: str,
    seconds: int,
    inputs: tuple[InputReading, ...],
) -> OrderReading:
    prompt, model = fields.text("prompt"), fields.text("model")
    if not prompt:
        raise InvalidRequestError("Missing", "prompt")
    if len(prompt) > _LONGEST_PROMPT:
        raise InvalidRequestError(f"At most {_LONGEST_PROMPT} characters", "prompt")
    for name in ("seed", "n", "negative_prompt"):
        if name in fields.values:
            raise InvalidRequestError("Argument not supported", name)
    sized = sized_reading(prompt, size, seconds, model)
    is_like_input = bool(inputs) and not fields.text("aspect_ratio")
    audio = fields.flag("generate_audio")
    return replace(
        sized,
        aspect="input" if is_like_input else sized.aspect,
        audio=None if service.wire.get("sound") == "none" else audio in {None, True},
        inputs=inputs,
    )


def _refuse(fields: JsonFields, names: tuple[str, ...]) -> None:
    for name in names:
        if name in fields.values:
            raise InvalidRequestError("Argument not supported", name)


def _inputs(fields: JsonFields, service: ScenarioService) -> tuple[InputReading, ...]:
    found = []
    for name, role in (("image", "first_frame"), ("last_frame", "last_frame")):
        if name in fields.values:
            found.append(InputReading(role, "image", _address(fields.values[name], name)))
    if any(each.role == "last_frame" for each in found) and service.wire.get("keyframes") == "none":
        raise InvalidRequestError("The model takes no last frame", "last_frame")
    references = [
        InputReading("reference", "image", _address(each.values, "reference_images"))
        for each in fields.items("reference_images")
    ]
    if len(references) > _MAX_REFERENCES:
        raise InvalidRequestError(f"At most {_MAX_REFERENCES} pictures", "reference_images")
    if references and fields.text("resolution") == "1080p":
        raise InvalidRequestError("At most 720p with references", "resolution")
    return (*found, *references)


def _film(fields: JsonFields) -> tuple[InputReading, ...]:
    film = _address(fields.values.get("video"), "video", "video")
    return (InputReading("source", "video", film),)


def _address(value: object, name: str, medium: str = "image") -> str:
    address = JsonFields(value).address("url", "400", medium) if isinstance(value, dict) else ""
    if not address:
        raise InvalidRequestError("Expected an object with a url", name)
    return address


TWIN = Twin("xai", ("xai",), "/v1", _routes)
