"""Google's Interactions API: a create is held until the film is made, and the film is a file.

An empty input is no mistake: it makes a film, and bills it. A refusal of what was asked is an
interaction that is completed without a film. Sources: PyPI `google-genai` 3.6.1
(`_gaos/interactions.py`, `_gaos/types/interactions`), promptfoo/promptfoo#10151, ai.google.dev as
stored in 2026-11. The tokens of a second at other sizes than 720p are not verified.
"""

import asyncio
import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.media import render_output, with_padding_box
from tallylight.simulator.outcomes import JobStatus, padded_size
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.google_storage import GoogleStorage, google_client_settings
from tallylight.simulator.protocols.google_texts import GoogleModelTexts
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, NoAnswerError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest

_FIELDS = frozenset(
    {"model", "input", "background", "cached_content", "continuation_token", "environment"}
    | {"generation_config", "labels", "previous_interaction_id", "response_format"}
    | {"response_mime_type", "response_modalities", "safety_settings", "service_tier", "store"}
    | {"stream", "system_instruction", "tools", "webhook_config"}
)
_FORMAT_FIELDS = frozenset(
    {"type", "aspect_ratio", "delivery", "duration", "gcs_uri", "resolution"}
)
_ROLES = {"image_to_video": "first_frame", "reference_to_video": "reference"}
#: Output tokens of a second.
_TOKENS = {"360p": 1738, "720p": 5792, "1080p": 8688, "4k": 17_376}
_DEFAULT_RESOLUTION = "720p"
_FILE_LIFE = timedelta(hours=48)
_PROCESSING_SHARE = 0.2  # of a job: the create is answered before its file is ready


class _OmniTexts(GoogleModelTexts):
    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self.error(404, "NOT_FOUND", f"Interaction {job_id} was not found.")

    def no_content(self, job: SimulatedJob) -> SimulatedResponse:
        text = f"You do not have permission to access the File {job.id} or it may not exist."
        return self.error(403, "PERMISSION_DENIED", text)

    def not_ready(self, job: SimulatedJob, status: str) -> SimulatedResponse:
        text = f"The File {job.id} is not in an ACTIVE state and usage is not allowed: {status}."
        return self.error(400, "FAILED_PRECONDITION", text)


def _routes(kernel: Kernel) -> list[BaseRoute]:
    omni = _Omni(kernel)
    maker = RouteMaker(kernel, _OmniTexts(is_vertex=omni.is_vertex))
    return [
        *(omni.storage.routes(maker) if omni.is_vertex else ()),
        maker.check_route("/models", omni.models),
        maker.check_route("/models/{model}", omni.model),
        maker.route("/interactions", omni.create, "POST"),
        maker.route("/interactions/{interaction}", omni.interaction),
        maker.route("/files/{file}:download", omni.download),
        maker.route("/files/{file}", omni.file),
        maker.unknown_paths(),
    ]


class _Omni:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self.is_vertex = kernel.settings.dialect == "vertex"
        self.storage = GoogleStorage(kernel)

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        if self.is_vertex:
            return self.storage.authenticate(exchange)
        request = exchange.request
        given = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        return self._kernel.authenticate(given)

    async def models(self, exchange: Exchange) -> Response:
        """List the models."""
        key = self._authenticate(exchange)
        listed = [_model(each) for each in self._kernel.listed_models(key)]
        return JSONResponse({"models": listed})

    async def model(self, exchange: Exchange) -> Response:
        """Return one model; one that was shut down is not there."""
        key, model = self._authenticate(exchange), exchange.request.path_params["model"]
        if model not in self._kernel.listed_models(key):
            raise UnknownModelError(model)
        return JSONResponse(_model(model))

    async def create(self, exchange: Exchange) -> Response:
        """Make a film, and answer when it is made; at once where it is made in the background."""
        key = self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        _reject_unknown(fields, _FIELDS, "")
        model = fields.text("model")
        name = self._kernel.find_service(model, key)
        reading, is_inline = read_interaction(self._kernel.service(name), model, fields)
        place = self._place(fields, is_inline=is_inline)
        job_id = f"v1_{self._world.random_hex()}"
        self.storage.store(job_id, place)
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        if place:
            await self._kernel.finished(job)
            return JSONResponse(await self._ended(job))
        if fields.flag("background"):
            return JSONResponse(self._started(job))
        if job.outcome.failure is None and not is_inline:
            await self._made(job)
            return JSONResponse(self._completed(job, [self._file_part(job)]))
        await self._kernel.finished(job)
        return JSONResponse(await self._ended(job))

    def _place(self, fields: JsonFields, *, is_inline: bool) -> str:
        """Return the folder for a film, which a file needs at Vertex AI and nowhere else."""
        name = "response_format.gcs_uri"
        folder = _object(fields, "response_format").text("gcs_uri")
        if self.is_vertex and not is_inline and not folder:
            raise InvalidRequestError("gcs_uri is required if the delivery is 'uri'.", name)
        if folder and (is_inline or not self.is_vertex):
            raise InvalidRequestError("gcs_uri is not supported.", name)
        return self.storage.place(folder, name)

    async def interaction(self, exchange: Exchange) -> Response:
        """Return an interaction; its film is inline, however it was ordered."""
        key, id_ = self._authenticate(exchange), exchange.request.path_params["interaction"]
        job = self._kernel.job(exchange, id_, Endpoint.POLL)
        self._require_own(job, key)
        is_over = self._kernel.progress(job).status.is_final
        return JSONResponse(await self._ended(job) if is_over else self._started(job))

    async def file(self, exchange: Exchange) -> Response:
        """Return the state of a film's file."""
        key, id_ = self._authenticate(exchange), exchange.request.path_params["file"]
        job = self._kernel.job(exchange, id_, Endpoint.POLL)
        self._require_own(job, key)
        is_over = self._kernel.progress(job).status.is_final
        created = self._world.clock.datetime_at(job.accepted_at)
        return JSONResponse(
            {
                "name": f"files/{job.id}",
                "mimeType": "video/mp4",
                "createTime": created.isoformat(),
                "expirationTime": (created + _FILE_LIFE).isoformat(),
                "state": "ACTIVE" if is_over else "PROCESSING",
                "source": "GENERATED",
                "uri": f"{self._kernel.url}/files/{job.id}",
                "downloadUri": self._download_uri(job),
            }
        )

    async def download(self, exchange: Exchange) -> Response:
        """Return a film."""
        key, id_ = self._authenticate(exchange), exchange.request.path_params["file"]
        job = self._kernel.result(exchange, id_, Endpoint.CONTENT)
        self._require_own(job, key)
        return await file_response(self._world, exchange.request, job)

    def _require_own(self, job: SimulatedJob, key: ScenarioKey) -> None:
        if job.key != key.key:
            self._kernel.find_job("")

    async def _made(self, job: SimulatedJob) -> None:
        """Wait until a film is made, and only its file is still processed."""
        if job.ends_at is None:
            raise NoAnswerError
        processing = _PROCESSING_SHARE * (job.ends_at - job.accepted_at)
        await self._world.clock.sleep(job.ends_at - processing - self._world.second())

    async def _ended(self, job: SimulatedJob) -> dict[str, JsonValue]:
        failure = self._kernel.failure(job)
        if failure is None and (stored := self.storage.films(job)):
            kinds: dict[str, JsonValue] = {"type": "video", "mime_type": "video/mp4"}
            return self._completed(job, [{**kinds, "uri": uri} for uri in stored])
        if failure is None:
            data = await asyncio.to_thread(self._film_text, job)
            part: JsonValue = {"type": "video", "mime_type": "video/mp4", "data": data}
            return self._completed(job, [part])
        if failure.code == "moderation_blocked":
            refusal: JsonValue = {"type": "text", "text": "I can't make this video."}
            return self._completed(job, [refusal], 12)
        error: JsonValue = {"code": failure.code, "message": failure.message}
        return {**self._common(job), "status": "failed", "error": error}

    def _film_text(self, job: SimulatedJob) -> str:
        size = padded_size(self._world.active_faults(job.service))
        film, padding = with_padding_box(render_output(job.outcome.output), size)
        return base64.b64encode(film + bytes(padding)).decode()

    def _started(self, job: SimulatedJob) -> dict[str, JsonValue]:
        is_queued = self._kernel.progress(job).status is JobStatus.QUEUED
        return {**self._common(job), "status": "queued" if is_queued else "in_progress"}

    def _completed(
        self, job: SimulatedJob, content: list[JsonValue], text_tokens: int = 0
    ) -> dict[str, JsonValue]:
        output = job.outcome.output
        film = 0 if text_tokens else _TOKENS[job.reading.resolution] * output.seconds
        by_modality: list[JsonValue] = [{"modality": "video", "tokens": film}] if film else []
        return {
            **self._common(job),
            "status": "completed",
            "steps": [{"type": "model_output", "content": content}],
            "usage": {
                "total_output_tokens": film + text_tokens,
                "output_tokens_by_modality": by_modality,
            },
        }

    def _common(self, job: SimulatedJob) -> dict[str, JsonValue]:
        created = self._world.clock.datetime_at(job.accepted_at).isoformat()
        model = job.outcome.output.model
        members = {"id": job.id, "object": "interaction", "model": model, "role": "model"}
        return {**members, "created": created, "updated": created}

    def _file_part(self, job: SimulatedJob) -> JsonValue:
        return {"type": "video", "mime_type": "video/mp4", "uri": self._download_uri(job)}

    def _download_uri(self, job: SimulatedJob) -> str:
        return f"{self._kernel.url}/files/{job.id}:download?alt=media"


def _model(model: str) -> JsonValue:
    methods: list[JsonValue] = ["createInteraction"]
    return {"name": f"models/{model}", "version": "001", "supportedGenerationMethods": methods}


def read_interaction(
    service: ScenarioService, model: str, fields: JsonFields
) -> tuple[OrderReading, bool]:
    """Return what is read from a create, and whether its film is to come inline."""
    if fields.flag("stream"):
        raise InvalidRequestError("Streaming is not simulated.", "stream")
    asked = _object(fields, "response_format")
    _reject_unknown(asked, _FORMAT_FIELDS, "response_format.")
    if asked.values and asked.text("type") != "video":
        raise InvalidRequestError("Expected 'video'.", "response_format.type")
    resolution = asked.text("resolution") or _DEFAULT_RESOLUTION
    aspect = asked.text("aspect_ratio") or "16:9"
    size = offered_size(
        service.sizes,
        ("response_format.resolution", resolution),
        ("response_format.aspect_ratio", aspect),
    )
    texts, pictures = _parts(fields.values.get("input"))
    task = _object(_object(fields, "generation_config"), "video_config").text("task")
    role = _ROLES.get(task, "first_frame")
    reading = sized_reading(" ".join(texts), size, _seconds(service, asked), model)
    inputs = tuple(InputReading(role, "image", each) for each in pictures)
    return replace(reading, inputs=inputs), asked.text("delivery") == "inline"


def _seconds(service: ScenarioService, asked: JsonFields) -> int:
    """Return the length; where nothing is said, the model chooses, and bills what it chose."""
    text = asked.text("duration")
    if not text:
        return max(service.lengths)
    seconds = text.removesuffix("s")
    if not (text.endswith("s") and seconds.isdecimal() and int(seconds) in service.lengths):
        raise InvalidRequestError(f"Unsupported duration '{text}'.", "response_format.duration")
    return int(seconds)


def _parts(given: object) -> tuple[list[str], list[str]]:
    """Return the texts and the pictures of an input, in any of its forms."""
    if isinstance(given, str):
        return [given], []
    parts = list(_contents(given))
    texts = [each.text("text") for each in parts if each.text("type") == "text"]
    pictures = [_picture(each) for each in parts if each.text("type") == "image"]
    return texts, pictures


def _contents(given: object) -> Iterator[JsonFields]:
    for each in given if isinstance(given, list) else [given] if given else []:
        if not isinstance(each, dict):
            raise InvalidRequestError("Expected an object.", "input")
        if each.get("type") == "user_input":
            yield from JsonFields(each).items("content")
        else:
            yield JsonFields(each)


def _picture(part: JsonFields) -> str:
    if uri := part.text("uri"):
        return uri
    if not part.text("mime_type").startswith("image/"):
        raise InvalidRequestError("Expected the media type of an image.", "input")
    try:
        data = base64.b64decode(part.text("data"), validate=True)
    except binascii.Error as error:
        raise InvalidRequestError("Base64 decoding failed.", "input") from error
    return f"{part.text('mime_type')}, {len(data)} bytes"


def _object(fields: JsonFields, name: str) -> JsonFields:
    value = fields.values.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidRequestError("Expected an object.", name)
    return JsonFields(value or {})


def _reject_unknown(fields: JsonFields, known: frozenset[str], place: str) -> None:
    for name in fields.values:
        if name not in known:
            message = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            raise InvalidRequestError(message, f"{place}{name}")


TWIN = Twin(
    "gemini_interactions",
    ("gemini", "background", "vertex"),
    "/v1beta",
    _routes,
    google_client_settings,
)
