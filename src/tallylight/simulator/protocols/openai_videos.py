"""The Videos API over HTTP: its ten operations and the list of models, in every dialect.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21, and what PyPI `openai` 3.54.0 sends;
for relays QuantumNous/new-api. A relay has no list, no delete and of the later operations remix.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.faults import Endpoint, Hang, NamedState, Refuse, Reset
from tallylight.simulator.outcomes import JobStatus, is_blocked_content, is_listed
from tallylight.simulator.protocols.contents import content_response, has_expired
from tallylight.simulator.protocols.derivations import DerivedVideoHandlers
from tallylight.simulator.protocols.guard import RequestGuard, SimulatedRefusal
from tallylight.simulator.protocols.listing import list_handler
from tallylight.simulator.protocols.new_api_shape import NewApiDialect, legacy_job
from tallylight.simulator.protocols.openai_shape import OpenAIDialect
from tallylight.simulator.protocols.orders import (
    InvalidRequestError,
    RequestFields,
    parse_clip_length,
    parse_fields,
    parse_frame_size,
    parse_prompt,
)
from tallylight.simulator.protocols.sglang_shape import SglangDialect
from tallylight.simulator.protocols.shapes import VideosDialect
from tallylight.simulator.protocols.vllm_omni_shape import VllmOmniDialect
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import JobRequest, SimulatedJob, Simulation

VIDEO_DIALECTS: dict[str, type[VideosDialect]] = {
    "openai": OpenAIDialect,
    "new_api": NewApiDialect,
    "vllm_omni": VllmOmniDialect,
    "sglang": SglangDialect,
}

_NEXT_POLL_MS = 1000


def upstream_routes(world: Simulation, upstream: str) -> list[BaseRoute]:
    """Return the routes of one upstream of the Videos API."""
    shape = VIDEO_DIALECTS[world.scenario.upstreams[upstream].dialect]()
    gate = RequestGuard(world, upstream, shape)
    videos = _VideoHandlers(gate)
    guarded = gate.wrap
    found = [
        Route("/models", guarded(videos.models)),
        Route("/videos", guarded(videos.create), methods=["POST"]),
    ]
    if shape.is_full_api:
        later = DerivedVideoHandlers(gate)
        found += [
            Route("/videos/edits", guarded(later.edit), methods=["POST"]),
            Route("/videos/extensions", guarded(later.extend), methods=["POST"]),
            Route("/videos/characters", guarded(later.create_character), methods=["POST"]),
            Route("/videos/characters/{character}", guarded(later.get_character)),
        ]
    if shape.is_full_api or shape.is_relay:
        remix = DerivedVideoHandlers(gate).remix
        found.append(Route("/videos/{job}/remix", guarded(remix), methods=["POST"]))
    if shape.can_list:
        found += [
            Route("/videos", guarded(list_handler(gate))),
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
        Route("/{rest:path}", guarded(videos.unknown_path), methods=_ALL_METHODS),
    ]
    return [Mount(f"/{upstream}/v1", routes=found)]


_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class _VideoHandlers:
    def __init__(self, guard: RequestGuard) -> None:
        self._guard = guard
        self._world = guard.world
        self._dialect = guard.dialect

    async def unknown_path(self, request: Request) -> Response:
        """Answer to a path that does not exist; Starlette's own 404 would betray the simulator."""
        raise self._guard.unknown_path_error(request)

    async def models(self, request: Request) -> Response:
        """List the models that the caller's key may use."""
        # A server in trouble is so before it looks at keys.
        sold = self._world.scenario.services_at(self._guard.upstream)
        if obstructed := await self._guard.apply_faults(request, Endpoint.MODELS, sold):
            return obstructed
        open_to = self._world.services_for_key(
            self._guard.upstream, self._guard.authenticate(request)
        )
        owner = self._world.scenario.upstreams[self._guard.upstream].provider
        names = {
            wire_name: owner
            for name, service in open_to.items()
            if is_listed(self._world.active_faults(name))
            for wire_name in service.wire_names
        }
        created = int(self._world.scenario.start.timestamp())
        return JSONResponse(self._dialect.model_list(names, created))

    async def create(self, request: Request) -> Response:
        """Accept a job, or do what the troubles of the moment do instead."""
        key = self._guard.authenticate(request)
        fields = await parse_fields(request)
        self._dialect.validate(fields)
        prompt = parse_prompt(fields)
        name, model = self._find_service(fields, key)
        self._guard.check_balance(key)
        asked = self._job_request(fields, key, name, model, prompt)
        trouble = self._world.draw_fault(name, Endpoint.CREATE)
        job_id = self._dialect.id_prefix + self._world.random_hex()
        if isinstance(trouble, Hang | Reset | Refuse):
            if trouble.accepts:
                self._world.accept_job(replace(asked, answered=False), None, job_id)
        elif self._dialect.is_relay and is_blocked_content(
            self._world.scenario.services[name], prompt
        ):
            # A relay reads the prompt before it relays; OpenAI accepts and fails the job.
            raise SimulatedRefusal(
                self._dialect.state_error(NamedState.CONTENT_REJECTED, self._world)
            )
        if obstructed := await self._guard.apply_fault(request, trouble, model):
            return obstructed
        job = self._world.accept_job(asked, trouble, job_id)
        return JSONResponse(self._dialect.job_object(self._world, job))

    def _find_service(self, fields: RequestFields, key: ScenarioKey) -> tuple[str, str]:
        open_to = self._world.services_for_key(self._guard.upstream, key)
        default = next((one.model for one in open_to.values()), "")
        model = fields.text("model") or default
        name = self._world.find_service(self._guard.upstream, model, key)
        if name is None:
            raise SimulatedRefusal(self._dialect.unknown_model(model))
        return name, model

    def _job_request(
        self, fields: RequestFields, key: ScenarioKey, name: str, model: str, prompt: str
    ) -> JobRequest:
        service = self._world.scenario.services[name]
        return JobRequest(
            service=name,
            prompt=prompt,
            size=parse_frame_size(fields, service),
            seconds=parse_clip_length(fields, service, strict=self._dialect.is_full_api),
            model=model,
            key=key.key,
            reference=self._dialect.input_reference(fields),
        )

    async def _find_job(
        self, request: Request, endpoint: Endpoint
    ) -> tuple[SimulatedJob, Response | None]:
        self._guard.authenticate(request)
        job_id = request.path_params["job"]
        job = self._world.job(self._guard.upstream, job_id)
        if job is None:
            raise SimulatedRefusal(self._dialect.unknown_job(job_id))
        trouble = self._world.draw_fault(job.service, endpoint)
        return job, await self._guard.apply_fault(request, trouble)

    async def retrieve(self, request: Request) -> Response:
        """Show one job and say when to ask again."""
        job, obstructed = await self._find_job(request, Endpoint.POLL)
        if obstructed:
            return obstructed
        wait = max(20, int(_NEXT_POLL_MS / self._world.clock.speed))
        headers = {"openai-poll-after-ms": str(wait)} if self._dialect.is_full_api else None
        shown = self._dialect.job_object(self._world, job)
        return JSONResponse(shown, self._dialect.http_status(shown), headers)

    async def legacy_retrieve(self, request: Request) -> Response:
        """Show one job as a relay's older route does."""
        job, obstructed = await self._find_job(request, Endpoint.POLL)
        return obstructed or JSONResponse(legacy_job(self._world, job))

    async def delete(self, request: Request) -> Response:
        """Forget a finished job; few servers let go of one that is running."""
        job, obstructed = await self._find_job(request, Endpoint.DELETE)
        if obstructed:
            return obstructed
        is_over = job.progress_at(self._world.second()).status in {
            JobStatus.COMPLETED,
            JobStatus.FAILED,
        }
        if not is_over and not self._dialect.can_cancel:
            raise InvalidRequestError("Only completed or failed videos can be deleted.", "video_id")
        told = self._dialect.deletion_object(self._world, job)
        del self._world.jobs[job.id]
        if not is_over:
            self._world.ledger.cancel(job.id)
        return JSONResponse(told)

    async def content(self, request: Request) -> Response:
        """Deliver the video, its thumbnail or its sprite sheet."""
        job, obstructed = await self._find_job(request, Endpoint.CONTENT)
        if obstructed:
            return obstructed
        stage = job.progress_at(self._world.second())
        if stage.status in {JobStatus.QUEUED, JobStatus.IN_PROGRESS}:
            raise SimulatedRefusal(self._dialect.not_ready(job, stage.status.value))
        is_here = self._dialect.serves_content and not has_expired(self._world, job)
        if stage.status is JobStatus.FAILED or not is_here:
            raise SimulatedRefusal(self._dialect.no_content(job))
        variant = request.query_params.get("variant", "video")
        return await content_response(self._world, request, job, variant)
