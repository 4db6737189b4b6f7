"""OpenAI's Images API: synchronous, without a task id; a time-out leaves a billed create in doubt.

Sources: PyPI `openai` 3.57.0 (`types/image_generate_params.py`, `image_edit_params.py`,
`images_response.py`, `model.py`), developers.openai.com as stored in 2026-11. The tokens of the
qualities above high, and the members of an edit in JSON, are not verified.
"""

import asyncio
import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.media import render_output, with_padding_box
from tallylight.simulator.outcomes import padded_size
from tallylight.simulator.protocols.azure_texts import AZURE_MODERATED, AzureTexts
from tallylight.simulator.protocols.openai_texts import OpenAITexts, openai_error
from tallylight.simulator.protocols.references import parse_image_url
from tallylight.simulator.protocols.request_fields import (
    RequestFields,
    bearer_token,
    missing_parameter,
    parse_fields,
    parse_prompt,
    unsupported_value,
)
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownModelError, UnknownPathError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest, Simulation

_RELAY, _AZURE = "relay", "azure"
_FIELDS = frozenset(
    {"prompt", "model", "n", "size", "quality", "background", "output_format", "moderation"}
    | {"output_compression", "safety_identifier", "user", "stream", "partial_images"}
)
_EDIT_FIELDS = _FIELDS - {"moderation"} | {"image", "images", "mask", "input_fidelity"}
_RELAY_FIELDS = frozenset({"response_format"})
_QUALITIES = ("low", "medium", "high")
#: Output tokens of 1024x1024 at low, medium and high; each quality above is four times dearer.
_TOKENS = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 16_640, "max": 66_560}
_FORM_IMAGES = ("image", "image[]")
_MAX_IMAGES, _MAX_COUNT = 16, 10
_FREE_SIZE = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_MAX_SIDE, _MAX_LINES, _SIDE_STEP, _MAX_RATIO = 3840, 2160, 16, 3
_USER_ERROR = "image_generation_user_error"


class _ImageTexts(OpenAITexts):
    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return openai_error(404, f"Image '{job_id}' not found.")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:
        return _STATE_ERRORS.get(state) or super().state_error(state, world)


_MODERATED = openai_error(
    400, "Your request was rejected by the safety system.", "moderation_blocked", _USER_ERROR
)
_STATE_ERRORS: Mapping[NamedState, SimulatedResponse] = {
    NamedState.CONTENT_REJECTED: _MODERATED,
    NamedState.QUOTA: openai_error(
        400, "Billing hard limit has been reached.", "billing_hard_limit_reached", _USER_ERROR
    ),
    NamedState.AUTH: openai_error(
        403, "Your organization must be verified to use the model `gpt-image-2`."
    ),
    NamedState.RATE_LIMITED: openai_error(
        429,
        "Rate limit reached for gpt-image-2 in organization org-simulated on images per min: "
        "Limit 5, Used 5, Requested 1. Please try again in 12s.",
        "rate_limit_exceeded",
        "requests",
        headers={"retry-after": "12"},
    ),
}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    is_azure = kernel.settings.dialect == _AZURE
    images = _ImageHandlers(kernel)
    maker = RouteMaker(kernel, AzureTexts() if is_azure else _ImageTexts())
    deployment = "/deployments/{deployment}/images"
    older = [
        maker.route(f"{deployment}/generations", images.generate, "POST"),
        maker.route(f"{deployment}/edits", images.edit, "POST"),
    ]
    return [
        *(older if is_azure else ()),
        maker.check_route("/models", images.models),
        maker.check_route("/models/{model:path}", images.model),
        maker.route("/images/generations", images.generate, "POST"),
        maker.route("/images/edits", images.edit, "POST"),
        maker.unknown_paths(),
    ]


class _ImageHandlers:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._is_relay = kernel.settings.dialect == _RELAY
        self._is_azure = kernel.settings.dialect == _AZURE

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        request = exchange.request
        if "deployment" in request.path_params and not request.query_params.get("api-version"):
            raise UnknownPathError
        if self._is_azure:
            return self._kernel.authenticate(request.headers.get("api-key", ""))
        return self._kernel.authenticate(bearer_token(request))

    async def models(self, exchange: Exchange) -> Response:
        """List the models, with the date of a shutdown where one is known."""
        key = self._authenticate(exchange)
        listed = [self._model_json(model, key) for model in self._kernel.listed_models(key)]
        return JSONResponse({"object": "list", "data": listed})

    async def model(self, exchange: Exchange) -> Response:
        """Return one model."""
        key, model = self._authenticate(exchange), exchange.request.path_params["model"]
        if model not in self._kernel.listed_models(key):
            raise UnknownModelError(model)
        return JSONResponse(self._model_json(model, key))

    def _model_json(self, model: str, key: ScenarioKey) -> JsonValue:
        service = self._kernel.service(self._kernel.find_service(model, key))
        created = int(self._world.scenario.start.timestamp())
        owner = self._kernel.settings.provider
        date = service.wire.get("shutdown_date")
        shutdown: dict[str, JsonValue] = {"shutdown_date": date} if date else {}
        return {"id": model, "object": "model", "created": created, "owned_by": owner, **shutdown}

    async def generate(self, exchange: Exchange) -> Response:
        """Make images from a prompt, and answer when they are there."""
        key = self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        if fields.is_form:
            raise InvalidRequestError("Unsupported content type: expected application/json.")
        return await self._make(exchange, key, fields, _FIELDS, ())

    async def edit(self, exchange: Exchange) -> Response:
        """Make images from images, in a form or in JSON."""
        key = self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        inputs = await _form_inputs(exchange.request) if fields.is_form else _json_inputs(fields)
        if not any(each.role == "reference" for each in inputs):
            raise missing_parameter("image")
        known = _EDIT_FIELDS | {"image[]"} if fields.is_form else _EDIT_FIELDS
        return await self._make(exchange, key, fields, known, inputs)

    async def _make(
        self,
        exchange: Exchange,
        key: ScenarioKey,
        fields: RequestFields,
        known: frozenset[str],
        inputs: tuple[InputReading, ...],
    ) -> Response:
        fields.reject_unknown(known | _RELAY_FIELDS if self._is_relay else known)
        services = self._kernel.services(key).values()
        named = exchange.request.path_params.get("deployment") or fields.text("model")
        model = named or next((each.model for each in services), "")
        name = self._kernel.find_service(model, key)
        reading = replace(read_image(self._kernel.service(name), model, fields), inputs=inputs)
        job_id = f"img_{self._world.random_hex()}"
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        await self._kernel.finished(job)
        if failure := self._kernel.failure(job):
            if failure.code == "moderation_blocked":
                return (AZURE_MODERATED if self._is_azure else _MODERATED).to_response()
            return openai_error(500, failure.message, kind="server_error").to_response()
        return JSONResponse(await self._answer(job, fields))

    async def _answer(self, job: SimulatedJob, fields: RequestFields) -> JsonValue:
        created, count = int(self._world.clock.unix_time()), job.reading.count
        if self._is_relay and fields.text("response_format") != "b64_json":
            urls = [self._world.file_url(job, index) for index in range(count)]
            return {"created": created, "data": [{"url": url} for url in urls]}
        text = await asyncio.to_thread(self._image_text, job)
        is_transparent = fields.text("background") == "transparent"
        return {
            "created": created,
            "data": [{"b64_json": text} for _ in range(count)],
            "background": "transparent" if is_transparent else "opaque",
            "output_format": "png",
            "quality": job.reading.quality,
            "size": job.reading.size,
            "usage": _usage(job.reading),
        }

    def _image_text(self, job: SimulatedJob) -> str:
        image = render_output(job.outcome.output)
        size = padded_size(self._world.active_faults(job.service))
        image, padding = with_padding_box(image, size)  # viewers skip what follows the picture
        return base64.b64encode(image + bytes(padding)).decode()


def read_image(service: ScenarioService, model: str, fields: RequestFields) -> OrderReading:
    """Return what is read from a create, its inputs apart; raise InvalidRequestError."""
    prompt = parse_prompt(fields)
    if fields.values.get("stream") not in {None, False, "false"}:
        raise InvalidRequestError("Streaming is not simulated.", "stream", "invalid_value")
    _require_one_of(fields, "background", ("auto", "transparent", "opaque"))
    _require_one_of(fields, "moderation", ("auto", "low"))
    _require_one_of(fields, "output_format", ("png",))
    count = _whole_number(fields, "n", 1)
    if not 1 <= count <= _MAX_COUNT:
        raise unsupported_value("n", count, range(1, _MAX_COUNT + 1))
    qualities = tuple(service.price.qualities) or _QUALITIES
    quality = _require_one_of(fields, "quality", ("auto", *qualities))
    return replace(
        sized_reading(prompt, _size(service, fields), 0, model),
        # The model chooses; what it makes is billed, and the dearest is what may come.
        quality=qualities[-1] if quality == "auto" else quality,
        count=count,
    )


def _require_one_of(fields: RequestFields, name: str, allowed: Sequence[str]) -> str:
    value = fields.text(name) or allowed[0]
    if value not in allowed:
        raise unsupported_value(name, value, allowed)
    return value


def _whole_number(fields: RequestFields, name: str, default: int) -> int:
    """Return a number; in a form it is text, in JSON it is not."""
    value = fields.values.get(name, default)
    if fields.is_form and isinstance(value, str) and value.isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"Invalid type for '{name}': expected an integer."
        raise InvalidRequestError(message, name, "invalid_type")
    return value


def _size(service: ScenarioService, fields: RequestFields) -> str:
    size = fields.text("size") or "auto"
    if size == "auto":
        return service.sizes[0]
    if size in service.sizes or (service.wire.get("size") == "any" and _is_allowed(size)):
        return size
    raise unsupported_value("size", size, ("auto", *service.sizes))


def _is_allowed(size: str) -> bool:
    """Tell whether a newer model makes a size: steps of 16, up to 3:1 and 3840x2160."""
    if not _FREE_SIZE.fullmatch(size):
        return False
    shorter, longer = sorted(int(side) for side in size.split("x"))
    is_stepped = shorter % _SIDE_STEP == longer % _SIDE_STEP == 0
    return is_stepped and longer <= min(_MAX_SIDE, shorter * _MAX_RATIO) and shorter <= _MAX_LINES


async def _form_inputs(request: Request) -> tuple[InputReading, ...]:
    form = (await request.form()).multi_items()
    files = [
        (name, value)
        for name, value in form
        if name in {*_FORM_IMAGES, "mask"} and isinstance(value, UploadFile)
    ]
    return _inputs(
        [await _described(file) for name, file in files if name in _FORM_IMAGES],
        [await _described(file) for name, file in files if name == "mask"],
    )


async def _described(file: UploadFile) -> str:
    return f"{file.content_type}, {len(await file.read())} bytes"


def _json_inputs(fields: RequestFields) -> tuple[InputReading, ...]:
    images, mask = fields.values.get("images", []), fields.values.get("mask")
    if not isinstance(images, list):
        raise InvalidRequestError("Expected an array.", "images", "invalid_type")
    masks = [] if mask is None else [_named_image(mask)]
    return _inputs([_named_image(each) for each in images], masks)


def _named_image(value: object) -> str:
    match value:
        case {"image_url": url, **rest} if not rest:
            try:
                return parse_image_url(url)
            except InvalidRequestError as error:
                raise InvalidRequestError(error.message, "images", "invalid_value") from error
        case {"file_id": str(file_id), **rest} if not rest:
            return file_id
        case _:
            raise InvalidRequestError(
                "Provide exactly one of 'image_url' or 'file_id'.", "images", "invalid_value"
            )


def _inputs(images: list[str], masks: list[str]) -> tuple[InputReading, ...]:
    if len(images) > _MAX_IMAGES:
        raise InvalidRequestError(f"At most {_MAX_IMAGES} images.", "image", "invalid_value")
    return (
        *(InputReading("reference", "image", source) for source in images),
        *(InputReading("mask", "image", source) for source in masks),
    )


def _usage(reading: OrderReading) -> JsonValue:
    base = _TOKENS.get(reading.quality, _TOKENS["high"])
    output = base * reading.width * reading.height // 1024**2 * reading.count
    text, images = len(reading.prompt) // 4 + 1, 256 * len(reading.inputs)
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + images + output,
    }


TWIN = Twin("openai_images", ("openai", _RELAY, _AZURE), "/v1", _routes)
