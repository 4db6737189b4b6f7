"""xAI's pictures: OpenAI's paths, with aspect and class in place of a size, in JSON alone.

Sources: npm `@ai-sdk/xai` 5.0.12 (`xai-image-model.ts`), PyPI `xai-sdk` 1.21.0 (`image.py`) and
docs of resellers of 2026-11. The pixels of a class and the most pictures of a create are not
verified.
"""

import asyncio
import base64
from dataclasses import replace

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.media import render_output, with_padding_box
from tallylight.simulator.outcomes import padded_size
from tallylight.simulator.protocols.json_fields import JsonFields
from tallylight.simulator.protocols.xai_texts import GrokAccount, GrokTexts, ticks
from tallylight.simulator.reading import InputReading, OrderReading, named_ratio, sized_reading
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.scenario import ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest

_CLASSES = ("1k", "2k")
_LONGEST_SIDE_OF_1K = 1536
_MAX_COUNT, _MAX_PICTURES = 10, 3
_NOT_SUPPORTED = ("size", "style", "seed", "mask", "negative_prompt")


def _routes(kernel: Kernel) -> list[BaseRoute]:
    account = GrokAccount(kernel)
    images, maker = _Images(kernel, account), RouteMaker(kernel, GrokTexts())
    return [
        *account.routes(maker),
        maker.route("/images/generations", images.generate, "POST"),
        maker.route("/images/edits", images.edit, "POST"),
        maker.unknown_paths(),
    ]


class _Images:
    def __init__(self, kernel: Kernel, account: GrokAccount) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._account = account

    async def generate(self, exchange: Exchange) -> Response:
        """Make pictures, and answer when they are there."""
        return await self._make(exchange, is_edit=False)

    async def edit(self, exchange: Exchange) -> Response:
        """Make pictures of pictures."""
        return await self._make(exchange, is_edit=True)

    async def _make(self, exchange: Exchange, *, is_edit: bool) -> Response:
        key = self._account.authenticate(exchange)
        fields = await self._account.fields(exchange)
        name = self._kernel.find_service(fields.text("model"), key)
        inputs = _inputs(fields)
        if bool(inputs) != is_edit:
            raise InvalidRequestError("Pictures belong to an edit, and to no other", "image")
        reading = replace(read_picture(self._kernel.service(name), fields), inputs=inputs)
        job_id = f"img_{self._world.random_hex()}"
        job = self._kernel.create(exchange, key, JobRequest(name, reading), job_id)
        await self._kernel.finished(job)
        failure = self._kernel.failure(job)
        if failure is not None and failure.code != "moderation_blocked":
            return JSONResponse(
                {"error": {"message": failure.message, "type": "server_error"}}, 500
            )
        made = [{"respect_moderation": False}] if failure else await self._pictures(job, fields)
        cost = ticks(job.billed_usd(self._world.second()))
        return JSONResponse({"data": made, "usage": {"cost_in_usd_ticks": cost}})

    async def _pictures(self, job: SimulatedJob, fields: JsonFields) -> list[dict[str, JsonValue]]:
        count = job.reading.count
        common: dict[str, JsonValue] = {"mime_type": "image/png", "respect_moderation": True}
        if fields.choice("response_format", ("url", "b64_json")) == "url":
            urls = [self._world.file_url(job, index) for index in range(count)]
            return [{"url": url, **common} for url in urls]
        text = await asyncio.to_thread(self._image_text, job)
        return [{"b64_json": text, **common} for _ in range(count)]

    def _image_text(self, job: SimulatedJob) -> str:
        image = render_output(job.outcome.output)
        size = padded_size(self._world.active_faults(job.service))
        image, padding = with_padding_box(image, size)  # viewers skip what follows the picture
        return base64.b64encode(image + bytes(padding)).decode()


def read_picture(service: ScenarioService, fields: JsonFields) -> OrderReading:
    """Return what is read from a create, its inputs apart; raise InvalidRequestError."""
    prompt = fields.text("prompt")
    if not prompt:
        raise InvalidRequestError("Missing", "prompt")
    for name in _NOT_SUPPORTED:
        if name in fields.values:
            raise InvalidRequestError(f"Argument not supported: {name}", name)
    given = fields.integer("n")
    count = 1 if given is None else given
    if not 1 <= count <= _MAX_COUNT:
        raise InvalidRequestError(f"Must be 1 to {_MAX_COUNT}", "n")
    resolution = fields.choice("resolution", _CLASSES)
    aspect = fields.text("aspect_ratio") or "1:1"
    size = next((each for each in service.sizes if _named(each) == (resolution, aspect)), None)
    if size is None:
        raise InvalidRequestError("The model has no such picture", "aspect_ratio")
    sized = sized_reading(prompt, size, 0, fields.text("model"))
    return replace(sized, resolution=resolution, count=count)


def _named(size: str) -> tuple[str, str]:
    width, height = (int(side) for side in size.split("x"))
    is_small = max(width, height) <= _LONGEST_SIDE_OF_1K
    return _CLASSES[0] if is_small else _CLASSES[1], named_ratio(width, height)


def _inputs(fields: JsonFields) -> tuple[InputReading, ...]:
    one = fields.values.get("image")
    several = fields.items("images")
    if one is not None and not isinstance(one, dict):
        raise InvalidRequestError("Expected an object with a url", "image")
    parts = [*([JsonFields(one)] if isinstance(one, dict) else []), *several]
    if len(parts) > _MAX_PICTURES:
        raise InvalidRequestError(f"At most {_MAX_PICTURES} pictures", "images")
    found = [each.address("url", "400") for each in parts]
    if not all(found):
        raise InvalidRequestError("Expected an object with a url", "image")
    return tuple(InputReading("reference", "image", each) for each in found)


TWIN = Twin("xai_images", ("xai_images",), "/v1", _routes)
