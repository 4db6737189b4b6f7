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

from tallylight.simulator.answers import Answer, scripted_answer
from tallylight.simulator.connection import reset, silence
from tallylight.simulator.faults import (
    AnyTrouble,
    Door,
    Fail,
    FailureForm,
    Hang,
    Refuse,
    Reset,
    Retire,
    Sign,
)
from tallylight.simulator.outcomes import Step, is_listed, is_unwelcome
from tallylight.simulator.protocols import chat_words as words
from tallylight.simulator.protocols import references
from tallylight.simulator.protocols.guard import RefusedError, bearer
from tallylight.simulator.protocols.new_api_shape import file_url
from tallylight.simulator.scenario import Key, ServicePart
from tallylight.simulator.world import Commission, Job, World

_PROGRESS_EVERY = 1.0  # seconds; the real one says something every half minute
_RETRYING_SHARE = 0.2  # of the jobs tell of a retry on their way


def routes(world: World, upstream: str) -> list[BaseRoute]:
    """Return the routes of one reverse channel."""
    channel = _Channel(world, upstream)
    return [
        Mount(
            f"/{upstream}/v1",
            routes=[
                Route("/models", channel.models),
                Route("/chat/completions", channel.complete, methods=["POST"]),
            ],
        )
    ]


class _Channel:
    def __init__(self, world: World, upstream: str) -> None:
        self._world = world
        self._upstream = upstream

    async def models(self, request: Request) -> Response:
        """List the names of the models: one for each length and shape."""
        for name in self._world.scenario.sold_at(self._upstream):
            # A server in trouble is so before it looks at keys.
            trouble = self._world.struck(name, Door.MODELS)
            if obstructed := await self._obstructed(request, trouble):
                return obstructed
        try:
            key = self._key(request)
        except RefusedError as refused:
            return refused.answer.response()
        data = [
            {"id": wire_name, "object": "model", "owned_by": "sora2api"}
            for name, service in self._world.open_to(self._upstream, key).items()
            if is_listed(self._world.troubles(name))
            for wire_name in service.wire_names
        ]
        return JSONResponse({"object": "list", "data": data})

    async def complete(self, request: Request) -> Response:
        """Make a video for whoever streams; tell the others how the pool is."""
        try:
            key = self._key(request)
            return await self._answer(request, key)
        except RefusedError as refused:
            return refused.answer.response()

    async def _answer(self, request: Request, key: Key) -> Response:
        body = await _json(request)
        model = str(body.get("model", ""))
        name = self._world.service_of(self._upstream, model, key)
        if name is None:
            raise RefusedError(Answer(500, words.server_error(f"Invalid model: {model}")))
        service = self._world.scenario.services[name]
        created = int(self._world.pace.unix())
        if body.get("stream") is not True:
            noun = "image" if service.medium == "image" else "video"
            able = _pool_is_filled(self._world.troubles(name))
            return JSONResponse(words.probe_answer(created, is_able=able, noun=noun))
        prompt = _prompt(body)
        if not prompt:
            raise RefusedError(Answer(400, words.server_error("Prompt is required")))
        size, seconds = shape_of(service, model)
        asked = Commission(
            name, prompt, size, seconds, model, owner=key.key, reference=_picture(body)
        )
        return await self._started(request, key, service, asked)

    def _key(self, request: Request) -> Key:
        given = bearer(request)
        if not given:
            raise RefusedError(Answer(403, {"detail": "Not authenticated"}))
        known = self._world.known_key(self._upstream, given)
        if known is None or known.state == "expired":
            raise RefusedError(Answer(401, {"detail": "Invalid API key"}))
        return known

    async def _obstructed(self, request: Request, trouble: AnyTrouble | None) -> Response | None:
        match trouble:
            case Refuse(sign=None):
                return scripted_answer(trouble).response()
            case Refuse(sign=sign):
                # Before a stream begins everything is a 500.
                return Answer(500, words.server_error(f"No available tokens: {sign}")).response()
            case Hang():
                return await silence(request, self._world.closing)
            case Reset():
                return await reset(request)
            case _:
                return None

    async def _started(
        self, request: Request, key: Key, service: ServicePart, asked: Commission
    ) -> Response:
        trouble = self._world.struck(asked.service, Door.CREATE)
        job_id = self._world.token(16)
        created = int(self._world.pace.unix())
        sign = _sign_of(trouble, key, is_unwelcome(service, asked.prompt))
        if sign is not None:
            turn = self._world.requests[asked.service, Door.CREATE]
            text = words.signed_stream(sign, job_id, created, turn)
            return _stream(_all_at_once(text))
        match trouble:
            case Hang() | Reset():
                if trouble.accepts:
                    self._world.accept(replace(asked, answered=False), None, job_id)
            case Retire(message=message):
                said = message or f"Invalid model: {asked.model}"
                return Answer(500, words.server_error(said)).response()
            case _:
                pass
        if obstructed := await self._obstructed(request, trouble):
            return obstructed
        job = self._world.accept(asked, trouble, job_id)
        return _stream(self._told(job, service, is_retrying=self._world.chance() < _RETRYING_SHARE))

    async def _told(
        self, job: Job, service: ServicePart, *, is_retrying: bool
    ) -> AsyncIterator[str]:
        """Tell a job's story until its end, or for ever."""
        begin = "**Generation Process Begins**\n\nInitializing generation request...\n"
        yield words.chunk(job.id, job.created_at, reasoning=begin, is_first=True)
        if is_retrying:
            yield words.chunk(job.id, job.created_at, reasoning=words.retry_notice())
        while not self._world.closing.is_set():
            now = self._world.second()
            stage = job.stage(now)
            if stage.step in {Step.COMPLETED, Step.FAILED}:
                break
            running = f"**Video Generation Progress**: {stage.progress}% (running)\n"
            yield words.chunk(job.id, job.created_at, reasoning=running)
            left = _PROGRESS_EVERY if job.ends_at is None else job.ends_at - now
            await self._world.pace.sleep(min(_PROGRESS_EVERY, left))
        for piece in self._ending(job, service):
            yield piece

    def _ending(self, job: Job, service: ServicePart) -> list[str]:
        stage = job.stage(self._world.second())
        if stage.step is Step.COMPLETED:
            link = words.result_text(service.result, file_url(self._world, job))
            return [words.chunk(job.id, job.created_at, content=link, is_last=True), words.DONE]
        failure = job.fate.failure
        if failure is None or failure.form is FailureForm.CLOSE:
            return []
        if failure.form is FailureForm.ERROR:
            return [words.event(words.server_error(failure.message)), words.DONE]
        said = words.failure_text(job)
        return [words.chunk(job.id, job.created_at, content=said, is_last=True), words.DONE]


def _sign_of(trouble: AnyTrouble | None, key: Key, is_refused_content: bool) -> Sign | None:
    if isinstance(trouble, Refuse) and trouble.sign is not None:
        return trouble.sign
    if isinstance(trouble, Refuse | Hang | Reset | Retire | Fail):
        return None
    if key.state == "exhausted":
        return Sign.QUOTA
    return Sign.CONTENT_REJECTED if is_refused_content else None


def _pool_is_filled(troubles: tuple[AnyTrouble, ...]) -> bool:
    return not any(
        isinstance(one, Refuse) and one.sign in {Sign.SUSPENDED, Sign.MAINTENANCE, Sign.OVERLOADED}
        for one in troubles
    )


async def _json(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise RefusedError(Answer(422, {"detail": "JSON decode error"})) from error
    if not isinstance(body, dict):
        raise RefusedError(Answer(422, {"detail": "Input should be an object"}))
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


def _picture(body: dict[str, object]) -> str:
    """Return what the last picture of the last message holds; an address is passed over."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    content = last.get("content") if isinstance(last, dict) else None
    found = ""
    for part in content if isinstance(content, list) else ():
        holder = part.get("image_url") if isinstance(part, dict) else None
        url = holder.get("url") if isinstance(holder, dict) else None
        if isinstance(url, str) and url.startswith("data:image"):
            found = references.address(url)
    return found


def shape_of(service: ServicePart, model: str) -> tuple[str, int]:
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


async def _all_at_once(text: str) -> AsyncIterator[str]:
    yield text


def _stream(pieces: AsyncIterator[str]) -> Response:
    return StreamingResponse(
        pieces, media_type="text/event-stream", headers={"cache-control": "no-cache"}
    )
