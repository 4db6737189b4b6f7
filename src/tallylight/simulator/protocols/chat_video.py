"""Reverse video channels over `/v1/chat/completions`: a stream that ends in a link.

Source: TheSmallHanCat/sora2api, commit e7d91b3 of 2026-03-07. Failures come inside HTTP 200 once
the stream has begun; leaving the stream does not cancel the job.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from json import JSONDecodeError

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.answers import SimulatedResponse, scripted_response
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
from tallylight.simulator.outcomes import JobStatus, is_blocked_content, is_listed
from tallylight.simulator.protocols import chat_words as words
from tallylight.simulator.protocols import references
from tallylight.simulator.protocols.guard import SimulatedRefusal, bearer_token
from tallylight.simulator.protocols.new_api_shape import file_url
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.world import JobRequest, SimulatedJob, Simulation

_PROGRESS_INTERVAL_S = 1.0  # seconds; the real one says something every half minute
_RETRYING_SHARE = 0.2  # of the jobs tell of a retry on their way


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
        """List the names of the models: one for each length and shape."""
        for name in self._world.scenario.services_at(self._upstream):
            # A server in trouble is so before it looks at keys.
            trouble = self._world.draw_fault(name, Endpoint.MODELS)
            if obstructed := await self._fault_response(request, trouble):
                return obstructed
        try:
            key = self._authenticate(request)
        except SimulatedRefusal as refused:
            return refused.response.to_response()
        data = [
            {"id": wire_name, "object": "model", "owned_by": "sora2api"}
            for name, service in self._world.services_for_key(self._upstream, key).items()
            if is_listed(self._world.active_faults(name))
            for wire_name in service.wire_names
        ]
        return JSONResponse({"object": "list", "data": data})

    async def create_completion(self, request: Request) -> Response:
        """Make a video for whoever streams; tell the others how the pool is."""
        try:
            key = self._authenticate(request)
            return await self._handle_completion(request, key)
        except SimulatedRefusal as refused:
            return refused.response.to_response()

    async def _handle_completion(self, request: Request, key: ScenarioKey) -> Response:
        body = await _parse_body(request)
        model = str(body.get("model", ""))
        name = self._world.find_service(self._upstream, model, key)
        if name is None:
            raise SimulatedRefusal(
                SimulatedResponse(500, words.server_error(f"Invalid model: {model}"))
            )
        service = self._world.scenario.services[name]
        created = int(self._world.clock.unix_time())
        if body.get("stream") is not True:
            noun = "image" if service.medium == "image" else "video"
            able = _pool_is_available(self._world.active_faults(name))
            return JSONResponse(
                words.non_streaming_response(created, is_available=able, medium=noun)
            )
        prompt = _prompt(body)
        if not prompt:
            raise SimulatedRefusal(SimulatedResponse(400, words.server_error("Prompt is required")))
        size, seconds = parse_model_name(service, model)
        asked = JobRequest(
            name, prompt, size, seconds, model, key=key.key, reference=_input_image(body)
        )
        return await self._start_job(request, key, service, asked)

    def _authenticate(self, request: Request) -> ScenarioKey:
        given = bearer_token(request)
        if not given:
            raise SimulatedRefusal(SimulatedResponse(403, {"detail": "Not authenticated"}))
        known = self._world.find_key(self._upstream, given)
        if known is None or known.state == "expired":
            raise SimulatedRefusal(SimulatedResponse(401, {"detail": "Invalid API key"}))
        return known

    async def _fault_response(self, request: Request, fault: AnyFault | None) -> Response | None:
        match fault:
            case Refuse(state=None):
                return scripted_response(fault).to_response()
            case Refuse(state=sign):
                # Before a stream begins everything is a 500.
                return SimulatedResponse(
                    500, words.server_error(f"No available tokens: {sign}")
                ).to_response()
            case Hang():
                return await never_respond(request, self._world.closing)
            case Reset():
                return await reset_connection(request)
            case _:
                return None

    async def _start_job(
        self, request: Request, key: ScenarioKey, service: ScenarioService, job_request: JobRequest
    ) -> Response:
        trouble = self._world.draw_fault(job_request.service, Endpoint.CREATE)
        job_id = self._world.random_hex(16)
        created = int(self._world.clock.unix_time())
        sign = _named_state(trouble, key, is_blocked_content(service, job_request.prompt))
        if sign is not None:
            turn = self._world.requests[job_request.service, Endpoint.CREATE]
            text = words.state_error_stream(sign, job_id, created, turn)
            return _event_stream(_single_chunk(text))
        match trouble:
            case Hang() | Reset():
                if trouble.accepts:
                    self._world.accept_job(replace(job_request, answered=False), None, job_id)
            case Retire(message=message):
                said = message or f"Invalid model: {job_request.model}"
                return SimulatedResponse(500, words.server_error(said)).to_response()
            case _:
                pass
        if obstructed := await self._fault_response(request, trouble):
            return obstructed
        job = self._world.accept_job(job_request, trouble, job_id)
        return _event_stream(
            self._progress_chunks(job, service, is_retrying=self._world.draw() < _RETRYING_SHARE)
        )

    async def _progress_chunks(
        self, job: SimulatedJob, service: ScenarioService, *, is_retrying: bool
    ) -> AsyncIterator[str]:
        """Tell a job's story until its end, or for ever."""
        begin = "**Generation Process Begins**\n\nInitializing generation request...\n"
        yield words.completion_chunk(job.id, job.created_at, reasoning=begin, is_first=True)
        if is_retrying:
            yield words.completion_chunk(job.id, job.created_at, reasoning=words.retry_notice())
        while not self._world.closing.is_set():
            now = self._world.second()
            stage = job.progress_at(now)
            if stage.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
                break
            running = f"**Video Generation Progress**: {stage.progress}% (running)\n"
            yield words.completion_chunk(job.id, job.created_at, reasoning=running)
            left = _PROGRESS_INTERVAL_S if job.ends_at is None else job.ends_at - now
            await self._world.clock.sleep(min(_PROGRESS_INTERVAL_S, left))
        for piece in self._final_chunks(job, service):
            yield piece

    def _final_chunks(self, job: SimulatedJob, service: ScenarioService) -> list[str]:
        stage = job.progress_at(self._world.second())
        if stage.status is JobStatus.COMPLETED:
            link = words.result_text(service.result, file_url(self._world, job))
            return [
                words.completion_chunk(job.id, job.created_at, content=link, is_last=True),
                words.DONE_EVENT,
            ]
        failure = job.outcome.failure
        if failure is None or failure.form is StreamFailureForm.CLOSE:
            return []
        if failure.form is StreamFailureForm.ERROR:
            return [words.sse_event(words.server_error(failure.message)), words.DONE_EVENT]
        said = words.failed_job_text(job)
        return [
            words.completion_chunk(job.id, job.created_at, content=said, is_last=True),
            words.DONE_EVENT,
        ]


def _named_state(
    fault: AnyFault | None, key: ScenarioKey, is_refused_content: bool
) -> NamedState | None:
    if isinstance(fault, Refuse) and fault.state is not None:
        return fault.state
    if isinstance(fault, Refuse | Hang | Reset | Retire | Fail):
        return None
    if key.state == "exhausted":
        return NamedState.QUOTA
    return NamedState.CONTENT_REJECTED if is_refused_content else None


def _pool_is_available(faults: tuple[AnyFault, ...]) -> bool:
    return not any(
        isinstance(one, Refuse)
        and one.state in {NamedState.SUSPENDED, NamedState.MAINTENANCE, NamedState.OVERLOADED}
        for one in faults
    )


async def _parse_body(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise SimulatedRefusal(SimulatedResponse(422, {"detail": "JSON decode error"})) from error
    if not isinstance(body, dict):
        raise SimulatedRefusal(SimulatedResponse(422, {"detail": "Input should be an object"}))
    return body


def _prompt(body: dict[str, object]) -> str:
    """Return the text of the last message, given as a string or in parts."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _input_image(body: dict[str, object]) -> str:
    """Return what the last picture of the last message holds; an address is passed over."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else None
    found = ""
    for part in content if isinstance(content, list) else ():
        holder = part.get("image_url") if isinstance(part, dict) else None
        url = holder.get("url") if isinstance(holder, dict) else None
        if isinstance(url, str) and url.startswith("data:image"):
            found = references.parse_image_url(url)
    return found


def parse_model_name(service: ScenarioService, model: str) -> tuple[str, int]:
    """Return the size and length that a model's name stands for ("sora2-portrait-15s")."""
    if service.medium == "image":
        return service.sizes[0], 0
    size, seconds = service.sizes[0], service.lengths[0]
    width, _, height = size.partition("x")
    upright = f"{min(int(width), int(height))}x{max(int(width), int(height))}"
    for word in model.split("-"):
        if word == "portrait":
            size = upright
        elif word == "landscape":
            size = "x".join(reversed(upright.split("x")))
        elif word.endswith("s") and word[:-1].isdecimal():
            seconds = int(word[:-1])
    return size, seconds


async def _single_chunk(text: str) -> AsyncIterator[str]:
    yield text


def _event_stream(pieces: AsyncIterator[str]) -> Response:
    return StreamingResponse(
        pieces, media_type="text/event-stream", headers={"cache-control": "no-cache"}
    )
