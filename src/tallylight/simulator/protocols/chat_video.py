"""Reverse video channels over `/v1/chat/completions`: a stream that ends with a link.

Source: TheSmallHanCat/sora2api, commit e7d91b3 of 2026-03-07. After the stream has begun, failures
arrive inside HTTP 200; closing the stream does not cancel the job.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.connection import never_respond, reset_connection
from tallylight.simulator.faults import (
    AnyFault,
    Endpoint,
    Fail,
    Hang,
    NamedState,
    Refuse,
    Reset,
    Retire,
    StreamFailureForm,
)
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus, is_blocked_content
from tallylight.simulator.protocols import chat_messages, references
from tallylight.simulator.protocols.chat_messages import completion_chunk, server_error
from tallylight.simulator.protocols.guard import SimulatedRefusalError, bearer_token
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.responses import SimulatedResponse, scripted_response
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.world import JobRequest, Simulation

_PROGRESS_INTERVAL_S = 1.0  # the real channel sends progress every half minute
_RETRYING_SHARE = 0.2  # share of jobs that report a retry


def upstream_routes(world: Simulation, upstream: str) -> list[BaseRoute]:
    """Return the routes of one reverse channel."""
    channel = _ChatUpstream(world, upstream)
    return [
        Mount(
            f"/{upstream}/v1",
            routes=[
                Route("/models", channel.models),
                Route("/chat/completions", channel.create_completion, methods=["POST"]),
            ],
        )
    ]


class _ChatUpstream:
    def __init__(self, world: Simulation, upstream: str) -> None:
        self._world = world
        self._upstream = upstream

    async def models(self, request: Request) -> Response:
        """List the model ids: one for each length and orientation."""
        for name in self._world.scenario.services_at(self._upstream):
            # A failing server fails before it checks keys.
            fault = self._world.draw_fault(name, Endpoint.CHECK)
            if response := await self._fault_response(request, fault):
                return response
        try:
            key = self._authenticate(request)
        except SimulatedRefusalError as refusal:
            return refusal.response.to_response()
        data = [
            {"id": model, "object": "model", "owned_by": "sora2api"}
            for model in self._world.listed_models(self._upstream, key)
        ]
        return JSONResponse({"object": "list", "data": data})

    async def create_completion(self, request: Request) -> Response:
        """Generate a video for a streaming request; report availability to any other."""
        try:
            key = self._authenticate(request)
            return await self._handle_completion(request, key)
        except SimulatedRefusalError as refusal:
            return refusal.response.to_response()

    async def _handle_completion(self, request: Request, key: ScenarioKey) -> Response:
        body = await _parse_body(request)
        model = str(body.get("model", ""))
        name = self._world.find_service(self._upstream, model, key)
        if name is None:
            raise _server_refusal(500, f"Invalid model: {model}")
        service = self._world.scenario.services[name]
        if body.get("stream") is not True:
            created = int(self._world.clock.unix_time())
            is_available = _pool_is_available(self._world.active_faults(name))
            return JSONResponse(
                chat_messages.non_streaming_response(
                    created, is_available=is_available, medium=service.medium
                )
            )
        content = _last_content(body)
        prompt = _prompt(content)
        if not prompt:
            raise _server_refusal(400, "Prompt is required")
        size, seconds = parse_model_name(service, model)
        reading = replace(
            sized_reading(prompt, size, seconds, model),
            inputs=references.first_frames(_input_image(content)),
        )
        job_request = JobRequest(name, reading, key=key.key)
        return await self._start_job(request, key, service, job_request)

    def _authenticate(self, request: Request) -> ScenarioKey:
        given = bearer_token(request)
        if not given:
            raise _detail_refusal(403, "Not authenticated")
        known = self._world.find_key(self._upstream, given)
        if known is None or known.state == "expired":
            raise _detail_refusal(401, "Invalid API key")
        return known

    async def _fault_response(self, request: Request, fault: AnyFault | None) -> Response | None:
        match fault:
            case Refuse(state=None):
                return scripted_response(fault).to_response()
            case Refuse(state=state):
                # Before the stream begins every failure is a 500.
                body = server_error(f"No available tokens: {state}")
                return SimulatedResponse(500, body).to_response()
            case Hang():
                return await never_respond(request, self._world.closing)
            case Reset():
                return await reset_connection(request)
            case _:
                return None

    async def _start_job(
        self, request: Request, key: ScenarioKey, service: ScenarioService, job_request: JobRequest
    ) -> Response:
        fault = self._world.draw_fault(job_request.service, Endpoint.CREATE)
        job_id = self._world.random_hex(16)
        is_blocked = is_blocked_content(service, job_request.reading.prompt)
        state = _named_state(fault, key, is_blocked=is_blocked)
        if state is not None:
            created = int(self._world.clock.unix_time())
            variant = self._world.requests[job_request.service, Endpoint.CREATE]
            text = chat_messages.state_error_stream(state, job_id, created, variant)
            return _event_stream(_single_chunk(text))
        match fault:
            case Hang() | Reset():
                if fault.accepts:
                    self._world.accept_job(replace(job_request, answered=False), None, job_id)
            case Retire(message=message):
                raise _server_refusal(500, message or f"Invalid model: {job_request.reading.model}")
            case _:
                pass
        if response := await self._fault_response(request, fault):
            return response
        job = self._world.accept_job(job_request, fault, job_id)
        return _event_stream(
            self._progress_chunks(job, service, is_retrying=self._world.draw() < _RETRYING_SHARE)
        )

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


def _server_refusal(status: int, message: str) -> SimulatedRefusalError:
    return SimulatedRefusalError(SimulatedResponse(status, server_error(message)))


def _detail_refusal(status: int, detail: str) -> SimulatedRefusalError:
    return SimulatedRefusalError(SimulatedResponse(status, {"detail": detail}))


def _named_state(
    fault: AnyFault | None, key: ScenarioKey, *, is_blocked: bool
) -> NamedState | None:
    if isinstance(fault, Refuse) and fault.state is not None:
        return fault.state
    if isinstance(fault, Refuse | Hang | Reset | Retire | Fail):
        return None
    if key.state == "exhausted":
        return NamedState.QUOTA
    return NamedState.CONTENT_REJECTED if is_blocked else None


def _pool_is_available(faults: tuple[AnyFault, ...]) -> bool:
    unavailable = {NamedState.SUSPENDED, NamedState.MAINTENANCE, NamedState.OVERLOADED}
    return not any(isinstance(fault, Refuse) and fault.state in unavailable for fault in faults)


async def _parse_body(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise _detail_refusal(422, "JSON decode error") from error
    if not isinstance(body, dict):
        raise _detail_refusal(422, "Input should be an object")
    return body


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
