"""Reverse video channels over `/v1/chat/completions`: a stream that ends with a link.

Source: TheSmallHanCat/sora2api, commit e7d91b3 of 2026-03-07. After the stream has begun, failures
arrive inside HTTP 200; closing the stream does not cancel the job.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import AnyFault, Endpoint, NamedState, Refuse, StreamFailureForm
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols import chat_messages, references
from tallylight.simulator.protocols.chat_messages import completion_chunk, server_error
from tallylight.simulator.protocols.request_fields import bearer_token
from tallylight.simulator.reading import OrderReading, sized_reading
from tallylight.simulator.refusals import (
    InvalidRequestError,
    NamedStateError,
    UnknownModelError,
)
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_PROGRESS_INTERVAL_S = 1.0  # the real channel sends progress every half minute
_RETRYING_SHARE = 0.2  # share of jobs that report a retry


def _routes(kernel: Kernel) -> list[BaseRoute]:
    channel, maker = _ChatUpstream(kernel), RouteMaker(kernel, _ChatTexts())
    return [
        maker.check_route("/models", channel.models),
        maker.route("/chat/completions", channel.create_completion, "POST"),
    ]


class _ChatTexts(RefusalTexts):
    """The refusals before a stream has begun."""

    def unauthorized(self, key: str) -> SimulatedResponse:
        if not key:
            return SimulatedResponse(403, {"detail": "Not authenticated"})
        return SimulatedResponse(401, {"detail": "Invalid API key"})

    def expired_key(self, key: str, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return self.unauthorized(key)

    def unknown_model(self, model: str) -> SimulatedResponse:
        return SimulatedResponse(500, server_error(f"Invalid model: {model}"))

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return SimulatedResponse(404, {"detail": "Not Found"})

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return self.unknown_job(path)

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        if error.param == "prompt":
            return SimulatedResponse(400, server_error(error.message))
        return SimulatedResponse(422, {"detail": error.message})

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        # Before the stream begins every failure is a 500.
        return SimulatedResponse(500, server_error(f"No available tokens: {state}"))


class _ChatUpstream:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(bearer_token(exchange.request))

    async def models(self, exchange: Exchange) -> Response:
        """List the model ids: one for each length and orientation."""
        data = [
            {"id": model, "object": "model", "owned_by": "sora2api"}
            for model in self._kernel.listed_models(self._authenticate(exchange))
        ]
        return JSONResponse({"object": "list", "data": data})

    async def create_completion(self, exchange: Exchange) -> Response:
        """Generate a video for a streaming request; report availability to any other."""
        key = self._authenticate(exchange)
        body = await _parse_body(exchange.request)
        model = str(body.get("model", ""))
        name = self._kernel.find_service(model, key)
        if body.get("stream") is not True:
            if model not in self._kernel.listed_models(key):
                raise UnknownModelError(model)
            return self._availability(name)
        reading = read_chat(self._kernel.service(name), model, body)
        order = JobRequest(name, reading, is_moderated_first=True)
        return self._start_job(exchange, key, order)

    def _availability(self, name: str) -> Response:
        created = int(self._world.clock.unix_time())
        is_available = _pool_is_available(self._world.active_faults(name))
        medium = self._kernel.service(name).medium
        return JSONResponse(
            chat_messages.non_streaming_response(created, is_available=is_available, medium=medium)
        )

    def _start_job(self, exchange: Exchange, key: ScenarioKey, order: JobRequest) -> Response:
        job_id = self._world.random_hex(16)
        try:
            job = self._kernel.create(exchange, key, order, job_id)
        except NamedStateError as refusal:
            created = int(self._world.clock.unix_time())
            variant = self._world.requests[order.service, Endpoint.CREATE]
            text = chat_messages.state_error_stream(refusal.state, job_id, created, variant)
            return _event_stream(_single_chunk(text))
        service = self._kernel.service(order.service)
        is_retrying = self._world.draw() < _RETRYING_SHARE
        return _event_stream(self._progress_chunks(job, service, is_retrying=is_retrying))

    async def _progress_chunks(
        self, job: SimulatedJob, service: ScenarioService, *, is_retrying: bool
    ) -> AsyncIterator[str]:
        """Yield the chunks of a stream until the job ends, or forever if it does not."""
        begin = "**Generation Process Begins**\n\nInitializing generation request...\n"
        yield completion_chunk(job.id, job.created_at, reasoning=begin, is_first=True)
        if is_retrying:
            notice = chat_messages.RETRY_NOTICE
            yield completion_chunk(job.id, job.created_at, reasoning=notice)
        while not self._world.closing.is_set():
            now = self._world.second()
            progress = job.progress_at(now)
            if progress.status.is_final:
                break
            running = f"**Video Generation Progress**: {progress.percent}% (running)\n"
            yield completion_chunk(job.id, job.created_at, reasoning=running)
            left = _PROGRESS_INTERVAL_S if job.ends_at is None else job.ends_at - now
            await self._world.clock.sleep(min(_PROGRESS_INTERVAL_S, left))
        for chunk in self._final_chunks(job, service):
            yield chunk

    def _final_chunks(self, job: SimulatedJob, service: ScenarioService) -> list[str]:
        failure = job.outcome.failure
        if job.progress_at(self._world.second()).status is JobStatus.COMPLETED:
            content = chat_messages.result_text(service.result, self._world.file_url(job))
        elif failure is None or failure.form is StreamFailureForm.CLOSE:
            return []
        elif failure.form is StreamFailureForm.ERROR:
            error = chat_messages.sse_event(server_error(failure.message))
            return [error, chat_messages.DONE_EVENT]
        else:
            content = chat_messages.failed_job_text(failure)
        chunk = completion_chunk(job.id, job.created_at, content=content, is_last=True)
        return [chunk, chat_messages.DONE_EVENT]


def _pool_is_available(faults: tuple[AnyFault, ...]) -> bool:
    unavailable = {NamedState.SUSPENDED, NamedState.MAINTENANCE, NamedState.OVERLOADED}
    return not any(isinstance(fault, Refuse) and fault.state in unavailable for fault in faults)


async def _parse_body(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("JSON decode error") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("Input should be an object")
    return body


def read_chat(service: ScenarioService, model: str, body: Mapping[str, object]) -> OrderReading:
    """Return what the channel reads from a model id and the last message."""
    content = _last_content(body)
    prompt = _prompt(content)
    if not prompt:
        raise InvalidRequestError("Prompt is required", "prompt")
    size, seconds = parse_model_name(service, model)
    return replace(
        sized_reading(prompt, size, seconds, model),
        inputs=references.first_frames(_input_image(content)),
    )


def _last_content(body: Mapping[str, object]) -> object:
    """Return the content of the last message: a string, or a list of parts."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    return last.get("content") if isinstance(last, dict) else None


def _prompt(content: object) -> str:
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _input_image(content: object) -> str:
    """Return the description of the last image in a data URL; other URLs are ignored."""
    image = ""
    for part in content if isinstance(content, list) else ():
        holder = part.get("image_url") if isinstance(part, dict) else None
        url = holder.get("url") if isinstance(holder, dict) else None
        if isinstance(url, str) and url.startswith("data:image"):
            image = references.parse_image_url(url)
    return image


def parse_model_name(service: ScenarioService, model: str) -> tuple[str, int]:
    """Return the size and length that a model id encodes ("sora2-portrait-15s")."""
    size = service.sizes[0]
    if service.medium == "image":
        return size, 0
    seconds = service.lengths[0]
    short, long = sorted(map(int, size.split("x")))
    for word in model.split("-"):
        if word == "portrait":
            size = f"{short}x{long}"
        elif word == "landscape":
            size = f"{long}x{short}"
        elif word.endswith("s") and word[:-1].isdecimal():
            seconds = int(word[:-1])
    return size, seconds


async def _single_chunk(text: str) -> AsyncIterator[str]:
    yield text


def _event_stream(chunks: AsyncIterator[str]) -> Response:
    return StreamingResponse(
        chunks, media_type="text/event-stream", headers={"cache-control": "no-cache"}
    )


TWIN = Twin("chat_video", ("sora2api",), "/v1", _routes)
