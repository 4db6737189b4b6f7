"""The Videos API over HTTP: ten operations and the list of models, in every dialect.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21, and what PyPI `openai` 3.54.0 sends;
for relays QuantumNous/new-api. A relay has no list, no delete, and only the remix of the derived
videos.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tallylight.simulator.faults import Endpoint, Hang, NamedState, Refuse, Reset
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.outcomes import JobStatus, is_blocked_content
from tallylight.simulator.protocols import references
from tallylight.simulator.protocols.contents import content_response, has_expired
from tallylight.simulator.protocols.derivations import DerivedVideoHandlers
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.guard import RequestGuard, SimulatedRefusalError
from tallylight.simulator.protocols.listing import list_handler
from tallylight.simulator.protocols.new_api_dialect import NewApiDialect, legacy_job
from tallylight.simulator.protocols.openai_dialect import OpenAIDialect
from tallylight.simulator.protocols.request_fields import (
    InvalidRequestError,
    RequestFields,
    parse_clip_length,
    parse_fields,
    parse_frame_size,
    parse_prompt,
)
from tallylight.simulator.protocols.sglang_dialect import SglangDialect
from tallylight.simulator.protocols.vllm_omni_dialect import VllmOmniDialect
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import JobRequest, Simulation

VIDEO_DIALECTS: dict[str, type[VideosDialect]] = {
    "openai": OpenAIDialect,
    "new_api": NewApiDialect,
    "vllm_omni": VllmOmniDialect,
    "sglang": SglangDialect,
}

_NEXT_POLL_MS = 1000


def upstream_routes(world: Simulation, upstream: str) -> list[BaseRoute]:
    """Return the routes of one upstream of the Videos API."""
    dialect = VIDEO_DIALECTS[world.scenario.upstreams[upstream].dialect]()
    guard = RequestGuard(world, upstream, dialect)
    videos = _VideoHandlers(guard)
    derived = DerivedVideoHandlers(guard)
    wrap = guard.wrap
    routes = [
        Route("/models", wrap(videos.models)),
        Route("/videos", wrap(videos.create), methods=["POST"]),
    ]
    if dialect.is_full_api:
        routes += [
            Route("/videos/edits", wrap(derived.edit), methods=["POST"]),
            Route("/videos/extensions", wrap(derived.extend), methods=["POST"]),
            Route("/videos/characters", wrap(derived.create_character), methods=["POST"]),
            Route("/videos/characters/{character}", wrap(derived.get_character)),
        ]
    if dialect.is_full_api or dialect.is_relay:
        routes.append(Route("/videos/{job}/remix", wrap(derived.remix), methods=["POST"]))
    if dialect.can_list:
        routes += [
            Route("/videos", wrap(list_handler(guard))),
            Route("/videos/{job}", wrap(videos.delete), methods=["DELETE"]),
        ]
    if dialect.is_relay:
        routes += [
            Route("/video/generations", wrap(videos.create), methods=["POST"]),
            Route("/video/generations/{job}", wrap(videos.legacy_retrieve)),
        ]
    routes += [
        Route("/videos/{job}", wrap(videos.retrieve)),
        Route("/videos/{job}/content", wrap(videos.content)),
        Route("/{rest:path}", wrap(videos.unknown_path), methods=_ALL_METHODS),
    ]
    return [Mount(f"/{upstream}/v1", routes=routes)]


_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class _VideoHandlers:
    def __init__(self, guard: RequestGuard) -> None:
        self._guard = guard
        self._world = guard.world
        self._dialect = guard.dialect

    async def unknown_path(self, request: Request) -> Response:
        """Refuse an unknown path in the dialect's text, not Starlette's."""
        raise self._guard.unknown_path_error(request)

    async def models(self, request: Request) -> Response:
        """List the models that the caller's key may use."""
        # A failing server fails before it checks keys.
        services = self._world.scenario.services_at(self._guard.upstream)
        if response := await self._guard.apply_faults(request, Endpoint.CHECK, services):
            return response
        key = self._guard.authenticate(request)
        models = self._world.listed_models(self._guard.upstream, key)
        owner = self._world.scenario.upstreams[self._guard.upstream].provider
        created = int(self._world.scenario.start.timestamp())
        return JSONResponse(self._dialect.model_list(dict.fromkeys(models, owner), created))

    async def create(self, request: Request) -> Response:
        """Accept a job, unless a fault affects the request."""
        key = self._guard.authenticate(request)
        fields = await parse_fields(request)
        self._dialect.validate(fields)
        prompt = parse_prompt(fields)
        name, model = self._find_service(fields, key)
        self._guard.check_balance(key)
        job_request = self._job_request(fields, key, name, model, prompt)
        fault = self._world.draw_fault(name, Endpoint.CREATE)
        job_id = self._dialect.id_prefix + self._world.random_hex()
        if isinstance(fault, Hang | Reset | Refuse):
            if fault.accepts:
                self._world.accept_job(replace(job_request, answered=False), None, job_id)
        elif self._dialect.is_relay and is_blocked_content(
            self._world.scenario.services[name], prompt
        ):
            # A relay checks the prompt before it accepts; OpenAI accepts and fails the job.
            raise SimulatedRefusalError(
                self._dialect.state_error(NamedState.CONTENT_REJECTED, self._world)
            )
        if response := await self._guard.apply_fault(request, fault, model):
            return response
        job = self._world.accept_job(job_request, fault, job_id)
        return JSONResponse(self._dialect.job_object(self._world, job))

    def _find_service(self, fields: RequestFields, key: ScenarioKey) -> tuple[str, str]:
        services = self._world.services_for_key(self._guard.upstream, key)
        default = next((service.model for service in services.values()), "")
        model = fields.text("model") or default
        name = self._world.find_service(self._guard.upstream, model, key)
        if name is None:
            raise SimulatedRefusalError(self._dialect.unknown_model(model))
        return name, model

    def _job_request(
        self, fields: RequestFields, key: ScenarioKey, name: str, model: str, prompt: str
    ) -> JobRequest:
        service = self._world.scenario.services[name]
        measured = self._dialect.measured(fields)
        size = parse_frame_size(measured.fields, service)
        seconds = parse_clip_length(measured.fields, service, strict=self._dialect.is_full_api)
        reading = replace(
            sized_reading(prompt, size, seconds, model),
            count=measured.count,
            inputs=references.first_frames(self._dialect.input_reference(fields)),
        )
        return JobRequest(name, reading, key=key.key)

    async def _find_job(
        self, request: Request, endpoint: Endpoint
    ) -> tuple[SimulatedJob, Response | None]:
        """Return the job of the path, and the response if a fault affects the request."""
        self._guard.authenticate(request)
        job_id = request.path_params["job"]
        job = self._world.job(self._guard.upstream, job_id)
        if job is None:
            raise SimulatedRefusalError(self._dialect.unknown_job(job_id))
        fault = self._world.draw_fault(job.service, endpoint)
        return job, await self._guard.apply_fault(request, fault)

    async def retrieve(self, request: Request) -> Response:
        """Return one job, with the time of the next poll as OpenAI does."""
        job, response = await self._find_job(request, Endpoint.POLL)
        if response:
            return response
        wait_ms = max(20, int(_NEXT_POLL_MS / self._world.clock.speed))
        headers = {"openai-poll-after-ms": str(wait_ms)} if self._dialect.is_full_api else None
        job_object = self._dialect.job_object(self._world, job)
        return JSONResponse(job_object, self._dialect.http_status(job_object), headers)

    async def legacy_retrieve(self, request: Request) -> Response:
        """Return one job in the form of a relay's older route."""
        job, response = await self._find_job(request, Endpoint.POLL)
        return response or JSONResponse(legacy_job(self._world, job))

    async def delete(self, request: Request) -> Response:
        """Delete a finished job; some dialects delete a running one too."""
        job, response = await self._find_job(request, Endpoint.CANCEL)
        if response:
            return response
        is_final = job.progress_at(self._world.second()).status.is_final
        if not is_final and not self._dialect.can_cancel:
            raise InvalidRequestError("Only completed or failed videos can be deleted.", "video_id")
        deletion = self._dialect.deletion_object(self._world, job)
        del self._world.jobs[job.id]
        if not is_final:
            self._world.ledger.cancel(job.id)
        return JSONResponse(deletion)

    async def content(self, request: Request) -> Response:
        """Return the video, its thumbnail or its sprite sheet."""
        job, response = await self._find_job(request, Endpoint.CONTENT)
        if response:
            return response
        status = job.progress_at(self._world.second()).status
        if not status.is_final:
            raise SimulatedRefusalError(self._dialect.not_ready(job, status.value))
        has_content = self._dialect.serves_content and not has_expired(self._world, job)
        if status is JobStatus.FAILED or not has_content:
            raise SimulatedRefusalError(self._dialect.no_content(job))
        variant = request.query_params.get("variant", "video")
        return await content_response(self._world, request, job, variant)
