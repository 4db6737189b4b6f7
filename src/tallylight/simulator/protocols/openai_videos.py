"""The Videos API over HTTP: its ten operations and the list of models, in every dialect.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21, and what PyPI `openai` 3.54.0 sends;
for relays QuantumNous/new-api. A relay has no list, no delete and of the later operations remix.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.faults import Door, Hang, Refuse, Reset, Sign
from tallylight.simulator.outcomes import Step, is_listed, is_unwelcome
from tallylight.simulator.protocols.contents import content_answer, is_gone
from tallylight.simulator.protocols.derivations import Derivations
from tallylight.simulator.protocols.guard import Gate, RefusedError
from tallylight.simulator.protocols.listing import listing
from tallylight.simulator.protocols.new_api_shape import NewApiShape, legacy_job
from tallylight.simulator.protocols.openai_shape import OpenAIShape
from tallylight.simulator.protocols.orders import (
    Fields,
    InvalidError,
    fields_of,
    prompt_of,
    seconds_of,
    size_of,
)
from tallylight.simulator.protocols.sglang_shape import SglangShape
from tallylight.simulator.protocols.shapes import Shape
from tallylight.simulator.protocols.vllm_omni_shape import VllmOmniShape
from tallylight.simulator.scenario import Key
from tallylight.simulator.world import Commission, Job, World

SHAPES: dict[str, type[Shape]] = {
    "openai": OpenAIShape,
    "new_api": NewApiShape,
    "vllm_omni": VllmOmniShape,
    "sglang": SglangShape,
}

_NEXT_POLL_MS = 1000


def routes(world: World, upstream: str) -> list[BaseRoute]:
    """Return the routes of one upstream of the Videos API."""
    shape = SHAPES[world.scenario.upstreams[upstream].dialect]()
    gate = Gate(world, upstream, shape)
    videos = _Videos(gate)
    guarded = gate.guarded
    found = [
        Route("/models", guarded(videos.models)),
        Route("/videos", guarded(videos.create), methods=["POST"]),
    ]
    if shape.is_complete:
        later = Derivations(gate)
        found += [
            Route("/videos/edits", guarded(later.edit), methods=["POST"]),
            Route("/videos/extensions", guarded(later.extend), methods=["POST"]),
            Route("/videos/characters", guarded(later.make_character), methods=["POST"]),
            Route("/videos/characters/{character}", guarded(later.character)),
        ]
    if shape.is_complete or shape.is_relay:
        remix = Derivations(gate).remix
        found.append(Route("/videos/{job}/remix", guarded(remix), methods=["POST"]))
    if shape.lists_jobs:
        found += [
            Route("/videos", guarded(listing(gate))),
            Route("/videos/{job}", guarded(videos.delete), methods=["DELETE"]),
        ]
    if shape.is_relay:
        found += [
            Route("/video/generations", guarded(videos.create), methods=["POST"]),
            Route("/video/generations/{job}", guarded(videos.legacy_retrieve)),
        ]
    found += [
        Route("/videos/{job}", guarded(videos.retrieve)),
        Route("/videos/{job}/content", guarded(videos.content)),
        Route("/{rest:path}", guarded(videos.nowhere), methods=_ALL_METHODS),
    ]
    return [Mount(f"/{upstream}/v1", routes=found)]


_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class _Videos:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._world = gate.world
        self._shape = gate.shape

    async def nowhere(self, request: Request) -> Response:
        """Answer to a path that does not exist; Starlette's own 404 would betray the simulator."""
        raise self._gate.unknown_path(request)

    async def models(self, request: Request) -> Response:
        """List the models that the caller's key may use."""
        # A server in trouble is so before it looks at keys.
        sold = self._world.scenario.sold_at(self._gate.upstream)
        if obstructed := await self._gate.obstruct_any(request, Door.MODELS, sold):
            return obstructed
        open_to = self._world.open_to(self._gate.upstream, self._gate.key(request))
        owner = self._world.scenario.upstreams[self._gate.upstream].provider
        names = {
            wire_name: owner
            for name, service in open_to.items()
            if is_listed(self._world.troubles(name))
            for wire_name in service.wire_names
        }
        created = int(self._world.scenario.start.timestamp())
        return JSONResponse(self._shape.models(names, created))

    async def create(self, request: Request) -> Response:
        """Accept a job, or do what the troubles of the moment do instead."""
        key = self._gate.key(request)
        fields = await fields_of(request)
        self._shape.check(fields)
        prompt = prompt_of(fields)
        name, model = self._service(fields, key)
        self._gate.pay(key)
        asked = self._commission(fields, key, name, model, prompt)
        trouble = self._world.struck(name, Door.CREATE)
        job_id = self._shape.id_prefix + self._world.token()
        if isinstance(trouble, Hang | Reset | Refuse):
            if trouble.accepts:
                self._world.accept(replace(asked, answered=False), None, job_id)
        elif self._shape.is_relay and is_unwelcome(self._world.scenario.services[name], prompt):
            # A relay reads the prompt before it relays; OpenAI accepts and fails the job.
            raise RefusedError(self._shape.signed(Sign.CONTENT_REJECTED, self._world))
        if obstructed := await self._gate.obstruct(request, trouble, model):
            return obstructed
        job = self._world.accept(asked, trouble, job_id)
        return JSONResponse(self._shape.job(self._world, job))

    def _service(self, fields: Fields, key: Key) -> tuple[str, str]:
        open_to = self._world.open_to(self._gate.upstream, key)
        default = next((one.model for one in open_to.values()), "")
        model = fields.text("model") or default
        name = self._world.service_of(self._gate.upstream, model, key)
        if name is None:
            raise RefusedError(self._shape.unknown_model(model))
        return name, model

    def _commission(
        self, fields: Fields, key: Key, name: str, model: str, prompt: str
    ) -> Commission:
        service = self._world.scenario.services[name]
        return Commission(
            service=name,
            prompt=prompt,
            size=size_of(fields, service),
            seconds=seconds_of(fields, service, strict=self._shape.is_complete),
            model=model,
            owner=key.key,
            reference=self._shape.reference(fields),
        )

    async def _found(self, request: Request, door: Door) -> tuple[Job, Response | None]:
        self._gate.key(request)
        job_id = request.path_params["job"]
        job = self._world.job(self._gate.upstream, job_id)
        if job is None:
            raise RefusedError(self._shape.unknown_job(job_id))
        trouble = self._world.struck(job.service, door)
        return job, await self._gate.obstruct(request, trouble)

    async def retrieve(self, request: Request) -> Response:
        """Show one job and say when to ask again."""
        job, obstructed = await self._found(request, Door.POLL)
        if obstructed:
            return obstructed
        wait = max(20, int(_NEXT_POLL_MS / self._world.pace.speed))
        headers = {"openai-poll-after-ms": str(wait)} if self._shape.is_complete else None
        shown = self._shape.job(self._world, job)
        return JSONResponse(shown, self._shape.shown_with(shown), headers)

    async def legacy_retrieve(self, request: Request) -> Response:
        """Show one job as a relay's older route does."""
        job, obstructed = await self._found(request, Door.POLL)
        return obstructed or JSONResponse(legacy_job(self._world, job))

    async def delete(self, request: Request) -> Response:
        """Forget a finished job; few servers let go of one that is running."""
        job, obstructed = await self._found(request, Door.DELETE)
        if obstructed:
            return obstructed
        is_over = job.stage(self._world.second()).step in {Step.COMPLETED, Step.FAILED}
        if not is_over and not self._shape.cancels:
            raise InvalidError("Only completed or failed videos can be deleted.", "video_id")
        told = self._shape.deleted(self._world, job)
        del self._world.jobs[job.id]
        if not is_over:
            self._world.ledger.cancel(job.id)
        return JSONResponse(told)

    async def content(self, request: Request) -> Response:
        """Deliver the video, its thumbnail or its sprite sheet."""
        job, obstructed = await self._found(request, Door.CONTENT)
        if obstructed:
            return obstructed
        stage = job.stage(self._world.second())
        if stage.step in {Step.QUEUED, Step.IN_PROGRESS}:
            raise RefusedError(self._shape.unfinished(job, stage.step.value))
        is_here = self._shape.serves_content and not is_gone(self._world, job)
        if stage.step is Step.FAILED or not is_here:
            raise RefusedError(self._shape.no_content(job))
        variant = request.query_params.get("variant", "video")
        return await content_answer(self._world, request, job, variant)
