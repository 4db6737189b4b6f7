"""Veo by predictLongRunning: the Gemini API as it was, and Vertex AI with a bucket.

At Vertex an operation is polled by POST, a GET of it is unknown, and `storageUri` puts films into a
bucket. Sources: PyPI `google-genai` 2.34.0 and 3.6.1, npm `@ai-sdk/google-vertex` 5.0.141,
cloud.google.com as stored in 2026-11. Whether a model can be asked for is not verified.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.media import render_output, with_padding_box
from tallylight.simulator.outcomes import JobFailure, padded_size
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.google_storage import GoogleStorage, google_client_settings
from tallylight.simulator.protocols.google_texts import GoogleModelTexts
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest

_VERTEX = "vertex"
_PROJECT = "/projects/{project}/locations/{location}/publishers/google"
_RPC_INTERNAL = 13

_FIELDS = frozenset({"instances", "parameters", "webhookConfig"})
_INSTANCE = frozenset({"prompt", "image", "lastFrame", "referenceImages", "video"})
_PARAMETERS = frozenset(
    {"sampleCount", "numberOfVideos", "durationSeconds", "aspectRatio", "resolution"}
    | {"personGeneration", "negativePrompt"}
)
_VERTEX_PARAMETERS = frozenset(
    {"generateAudio", "seed", "storageUri", "enhancePrompt", "compressionQuality", "resizeMode"}
    | {"fps", "pubsubTopic", "labels"}
)
_MAX_SEED = 2**32 - 1
_IMAGES = {"image": "first_frame", "lastFrame": "last_frame"}
_REASON = (
    "Veo could not generate videos based on the prompt provided. You will not be charged for it."
)


class _PredictTexts(GoogleModelTexts):
    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self.error(404, "NOT_FOUND", f"Operation {job_id} was not found.")


def _routes(kernel: Kernel) -> list[BaseRoute]:
    veo = _Veo(kernel)
    maker = RouteMaker(kernel, _PredictTexts(is_vertex=veo.is_vertex))
    shared = [
        maker.check_route("/models/{model}", veo.model),
        maker.route("/models/{model}:predictLongRunning", veo.create, "POST"),
    ]
    if not veo.is_vertex:
        return [
            maker.route("/models/{model}/operations/{operation}", veo.operation),
            maker.route("/files/{file}:download", veo.download),
            *shared,
            maker.unknown_paths(),
        ]
    return [
        *veo.storage.routes(maker),
        maker.check_route("/publishers/google/models/{model}", veo.model),
        *(
            maker.route(prefix + "/models/{model}:" + verb, handler, "POST")
            for prefix in (_PROJECT, "")
            for verb, handler in (
                ("predictLongRunning", veo.create),
                ("fetchPredictOperation", veo.fetch),
            )
        ),
        *shared,
        maker.unknown_paths(),
    ]


class _Veo:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self.is_vertex = kernel.settings.dialect == _VERTEX
        self.storage = GoogleStorage(kernel)

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        request = exchange.request
        if self.is_vertex:
            return self.storage.authenticate(exchange)
        given = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        return self._kernel.authenticate(given)

    async def model(self, exchange: Exchange) -> Response:
        """Return one model."""
        key, model = self._authenticate(exchange), exchange.request.path_params["model"]
        if model not in self._kernel.listed_models(key):
            raise UnknownModelError(model)
        name = f"publishers/google/models/{model}" if self.is_vertex else f"models/{model}"
        return JSONResponse({"name": name, "launchStage": "GA"})

    async def create(self, exchange: Exchange) -> Response:
        """Accept an operation."""
        key, model = self._authenticate(exchange), exchange.request.path_params["model"]
        fields = await parse_json_body(exchange.request)
        name = self._kernel.find_service(model, key)
        reading, place = self._read(self._kernel.service(name), model, fields)
        job_id = self._world.random_hex(16)
        self.storage.store(job_id, place)
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        return JSONResponse({"name": self._name(job)})

    def _name(self, job: SimulatedJob) -> str:
        name = f"models/{job.reading.model}/operations/{job.id}"
        root = "projects/simulated/locations/us-central1/publishers/google"
        return f"{root}/{name}" if self.is_vertex else name

    async def operation(self, exchange: Exchange) -> Response:
        """Return an operation."""
        return await self._answer(exchange, exchange.request.path_params["operation"])

    async def fetch(self, exchange: Exchange) -> Response:
        """Return the operation that the body names; it needs the model of its create."""
        fields = await parse_json_body(exchange.request)
        name = fields.text("operationName")
        if f"/models/{exchange.request.path_params['model']}/operations/" not in name:
            raise InvalidRequestError("The operation is not one of this model.", "operationName")
        return await self._answer(exchange, name.rpartition("/")[2])

    async def _answer(self, exchange: Exchange, job_id: str) -> Response:
        key = self._authenticate(exchange)
        job = self._kernel.job(exchange, job_id, Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(job_id)
        if not self._kernel.progress(job).status.is_final:
            return JSONResponse({"name": self._name(job)})
        failure = self._kernel.failure(job)
        ended = {"response": await self._response(job)} if failure is None else _failed(failure)
        if not self.is_vertex and "response" in ended:
            ended = {"response": {"generateVideoResponse": ended["response"]}}
        return JSONResponse({"name": self._name(job), "done": True, **ended})

    async def _response(self, job: SimulatedJob) -> JsonValue:
        numbers = range(job.reading.count)
        if not self.is_vertex:
            uri = f"{self._kernel.url}/files/{job.id}:download?alt=media"
            return {"generatedSamples": [{"video": {"uri": uri}} for _ in numbers]}
        if stored := self.storage.films(job):
            films: list[JsonValue] = [{"gcsUri": u, "mimeType": "video/mp4"} for u in stored]
        else:
            text = await asyncio.to_thread(self._film_text, job)
            films = [{"bytesBase64Encoded": text, "mimeType": "video/mp4"} for _ in numbers]
        return {"raiMediaFilteredCount": 0, "videos": films}

    def _film_text(self, job: SimulatedJob) -> str:
        size = padded_size(self._world.active_faults(job.service))
        film, padding = with_padding_box(render_output(job.outcome.output), size)
        return base64.b64encode(film + bytes(padding)).decode()

    async def download(self, exchange: Exchange) -> Response:
        """Return a film."""
        self._authenticate(exchange)
        job_id = exchange.request.path_params["file"]
        job = self._kernel.result(exchange, job_id, Endpoint.CONTENT)
        return await file_response(self._world, exchange.request, job)

    def _read(
        self, service: ScenarioService, model: str, fields: JsonFields
    ) -> tuple[OrderReading, str]:
        """Return what is read from a create, and where its films are to be stored."""
        _reject_unknown(fields, _FIELDS)
        instances = fields.items("instances")
        if len(instances) != 1:
            raise InvalidRequestError("Expected one instance.", "instances")
        (instance,) = instances
        _reject_unknown(instance, _INSTANCE)
        asked = fields.values.get("parameters", {})
        if not isinstance(asked, Mapping):
            raise InvalidRequestError("Expected an object.", "parameters")
        parameters = JsonFields(asked)
        known = _PARAMETERS | _VERTEX_PARAMETERS if self.is_vertex else _PARAMETERS
        _reject_unknown(parameters, known)
        place = self.storage.place(parameters.text("storageUri"), "storageUri")
        return read_prediction(service, model, instance, parameters), place


def read_prediction(
    service: ScenarioService, model: str, instance: JsonFields, parameters: JsonFields
) -> OrderReading:
    """Return what is read from the instance and the parameters of a create."""
    prompt = instance.text("prompt")
    if not prompt:
        raise InvalidRequestError("A prompt is required.", "instances[0].prompt")
    inputs = tuple(_inputs(instance))
    resolution = parameters.text("resolution") or "720p"
    aspect = parameters.text("aspectRatio") or "16:9"
    size = offered_size(service.sizes, ("resolution", resolution), ("aspectRatio", aspect))
    seconds = _whole(parameters, "durationSeconds", service.lengths[0])
    is_long_only = resolution != "720p" or any(each.role == "reference" for each in inputs)
    allowed = (max(service.lengths),) if is_long_only else service.lengths
    if seconds not in allowed:
        raise InvalidRequestError(f"Expected one of {allowed}.", "durationSeconds")
    count = _whole(parameters, "sampleCount", _whole(parameters, "numberOfVideos", 1))
    most = int(service.wire.get("samples", "1"))
    if not 1 <= count <= most:
        raise InvalidRequestError(f"Expected 1 to {most}.", "sampleCount")
    seed = parameters.integer("seed")
    if seed is not None and not 0 <= seed <= _MAX_SEED:
        raise InvalidRequestError("Expected a number of 32 bits.", "seed")
    has_sound = parameters.flag("generateAudio")
    return replace(
        sized_reading(prompt, size, seconds, model),
        audio=has_sound if service.wire.get("sound") == "switch" else None,
        count=count,
        seed=seed,
        negative=parameters.text("negativePrompt"),
        inputs=inputs,
    )


def _whole(fields: JsonFields, name: str, default: int) -> int:
    """Return a whole number, also one in a text, as the maker's pages have it."""
    value = fields.values.get(name)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    found = fields.integer(name)
    return default if found is None else found


def _inputs(instance: JsonFields) -> list[InputReading]:
    found = [
        InputReading(role, "image", _picture(instance.values[name], name))
        for name, role in _IMAGES.items()
        if name in instance.values
    ]
    if any(each.role == "last_frame" for each in found) and "image" not in instance.values:
        raise InvalidRequestError("lastFrame needs image.", "instances[0].lastFrame")
    for each in instance.items("referenceImages"):
        if each.text("referenceType").lower() != "asset":
            raise InvalidRequestError("Expected 'asset'.", "referenceType")
        found.append(
            InputReading("reference", "image", _picture(each.values.get("image"), "image"))
        )
    return found


def _picture(value: object, name: str) -> str:
    match value:
        case {"inlineData": {"mimeType": str(kind), "data": str(text)}}:
            pass
        case {"bytesBase64Encoded": str(text), "mimeType": str(kind)}:
            pass
        case {"gcsUri": str(uri), "mimeType": str()}:
            return uri
        case _:
            raise InvalidRequestError("Expected a picture with its type.", name)
    try:
        return f"{kind}, {len(base64.b64decode(text, validate=True))} bytes"
    except binascii.Error as error:
        raise InvalidRequestError("Base64 decoding failed.", name) from error


def _reject_unknown(fields: JsonFields, known: frozenset[str]) -> None:
    for name in fields.values:
        if name not in known:
            raise InvalidRequestError(f'Unknown name "{name}": Cannot find field.', name)


def _failed(failure: JobFailure) -> dict[str, JsonValue]:
    if failure.code == "moderation_blocked":
        return {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [_REASON]}}
    return {"error": {"code": _RPC_INTERNAL, "message": failure.message}}


TWIN = Twin("predict_long_running", ("gemini", _VERTEX), "/v1", _routes, google_client_settings)
