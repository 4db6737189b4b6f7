"""The Videos API over HTTP: ten operations and the list of models, in every dialect.

Sources: openai/openai-openapi, `openapi.yaml` of 2026-08-21, and what PyPI `openai` 3.54.0 sends;
for relays QuantumNous/new-api. A relay has no list, no delete, and only the remix of the derived
videos.
"""

from dataclasses import replace

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols import references
from tallylight.simulator.protocols.contents import content_response
from tallylight.simulator.protocols.derivations import DerivedVideoHandlers
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.inworld_dialect import InworldDialect
from tallylight.simulator.protocols.listing import listed_page
from tallylight.simulator.protocols.litellm_dialect import LitellmDialect
from tallylight.simulator.protocols.new_api_dialect import NewApiDialect, legacy_job
from tallylight.simulator.protocols.openai_dialect import OpenAIDialect
from tallylight.simulator.protocols.request_fields import (
    RequestFields,
    parse_clip_length,
    parse_fields,
    parse_frame_size,
    parse_prompt,
)
from tallylight.simulator.protocols.sglang_dialect import SglangDialect
from tallylight.simulator.protocols.vllm_omni_dialect import VllmOmniDialect
from tallylight.simulator.reading import OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, NoContentError
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import Twin
from tallylight.simulator.world import JobRequest

VIDEO_DIALECTS: dict[str, type[VideosDialect]] = {
    "openai": OpenAIDialect,
    "new_api": NewApiDialect,
    "vllm_omni": VllmOmniDialect,
    "sglang": SglangDialect,
    "litellm": LitellmDialect,
    "inworld": InworldDialect,
}

_NEXT_POLL_MS = 1000


def _routes(kernel: Kernel) -> list[BaseRoute]:
    dialect = VIDEO_DIALECTS[kernel.settings.dialect]()
    videos, derived = _VideoHandlers(kernel, dialect), DerivedVideoHandlers(kernel, dialect)
    maker = RouteMaker(kernel, dialect)
    route = maker.route
    routes: list[BaseRoute] = [
        maker.check_route("/models", videos.models),
        route("/videos", videos.create, "POST"),
    ]
    if dialect.is_full_api:
        routes += [
            route("/videos/edits", derived.edit, "POST"),
            route("/videos/extensions", derived.extend, "POST"),
            route("/videos/characters", derived.create_character, "POST"),
            route("/videos/characters/{character}", derived.get_character),
        ]
    if dialect.is_full_api or dialect.is_relay:
        routes.append(route("/videos/{job}/remix", derived.remix, "POST"))
    if dialect.can_list:
        routes += [
            route("/videos", videos.list),
            route("/videos/{job}", videos.delete, "DELETE"),
        ]
    if dialect.has_cancel_call:
        routes.append(route("/videos/{job}/cancel", videos.cancel, "POST"))
    if dialect.is_relay:
        routes += [
            route("/video/generations", videos.create, "POST"),
            route("/video/generations/{job}", videos.legacy_retrieve),
        ]
    return [
        *routes,
        route("/videos/{job}", videos.retrieve),
        route("/videos/{job}/content", videos.content),
        maker.unknown_paths(),
    ]


class _VideoHandlers:
    def __init__(self, kernel: Kernel, dialect: VideosDialect) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._dialect = dialect

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(self._dialect.given_key(exchange.request))

    async def models(self, exchange: Exchange) -> Response:
        """List the models that the caller's key may use."""
        models = self._kernel.listed_models(self._authenticate(exchange))
        owners = dict.fromkeys(models, self._kernel.settings.provider)
        created = int(self._world.scenario.start.timestamp())
        listed = self._dialect.model_list(owners, created)
        if self._dialect.is_full_api and isinstance(listed["data"], list):
            listed["data"] = [self._with_shutdown(each) for each in listed["data"]]
        return JSONResponse(listed)

    def _with_shutdown(self, entry: JsonValue) -> JsonValue:
        """Return a listed model with the date of its shutdown, where one is known."""
        services = self._world.scenario.services_at(self._kernel.upstream).values()
        name = entry.get("id") if isinstance(entry, dict) else None
        sold = next((each for each in services if name in each.wire_names), None)
        date = None if sold is None else sold.wire.get("shutdown_date")
        return {**entry, "shutdown_date": date} if isinstance(entry, dict) and date else entry

    async def create(self, exchange: Exchange) -> Response:
        """Accept a job, unless a fault affects the request."""
        key = self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        self._dialect.validate(fields)
        parse_prompt(fields)  # a missing prompt is reported before an unknown model
        default = next((each.model for each in self._kernel.services(key).values()), "")
        model = fields.text("model") or default
        name = self._kernel.find_service(model, key)
        reading = read_video(self._dialect, self._kernel.service(name), model, fields)
        # A relay checks the prompt before it accepts; OpenAI accepts and fails the job.
        order = JobRequest(name, reading, is_moderated_first=self._dialect.is_relay)
        job_id = self._dialect.new_id(self._world.random_hex())
        job = self._kernel.create(exchange, key, order, job_id)
        return JSONResponse(self._dialect.job_object(self._world, job))

    async def list(self, exchange: Exchange) -> Response:
        """List the jobs, by default newest first."""
        self._authenticate(exchange)
        jobs = self._kernel.jobs(exchange)
        shown, has_more = listed_page(jobs, exchange.request.query_params)
        return JSONResponse(
            {
                "object": "list",
                "data": [self._dialect.listed_object(self._world, job) for job in shown],
                "first_id": shown[0].id if shown else None,
                "last_id": shown[-1].id if shown else None,
                "has_more": has_more,
            }
        )

    async def retrieve(self, exchange: Exchange) -> Response:
        """Return one job, with the time of the next poll as OpenAI does."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.POLL)
        wait_ms = max(20, int(_NEXT_POLL_MS / self._world.clock.speed))
        headers = {"openai-poll-after-ms": str(wait_ms)} if self._dialect.is_full_api else None
        job_object = self._dialect.job_object(self._world, job)
        return JSONResponse(job_object, self._dialect.http_status(job_object), headers)

    async def legacy_retrieve(self, exchange: Exchange) -> Response:
        """Return one job in the form of a relay's older route."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.POLL)
        return JSONResponse(legacy_job(self._world, job))

    async def delete(self, exchange: Exchange) -> Response:
        """Delete a finished job; some dialects delete a running one too."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.CANCEL)
        has_ended = job.is_cancelled or self._kernel.progress(job).status.is_final
        if not has_ended and not self._dialect.can_cancel:
            raise InvalidRequestError("Only completed or failed videos can be deleted.", "video_id")
        deletion = self._dialect.deletion_object(self._world, job)
        self._kernel.forget(job)
        return JSONResponse(deletion)

    async def cancel(self, exchange: Exchange) -> Response:
        """Cancel a job that is still queued."""
        self._authenticate(exchange)
        job = self._kernel.job(exchange, exchange.request.path_params["job"], Endpoint.CANCEL)
        if not job.is_cancelled:
            if self._kernel.progress(job).status is not JobStatus.QUEUED:
                return self._dialect.not_cancellable(job).to_response()
            self._kernel.cancel(job)
        cancelled = self._kernel.find_job(job.id)
        return JSONResponse(self._dialect.job_object(self._world, cancelled))

    async def content(self, exchange: Exchange) -> Response:
        """Return the video, its thumbnail or its sprite sheet."""
        self._authenticate(exchange)
        request = exchange.request
        job = self._kernel.result(exchange, request.path_params["job"], Endpoint.CONTENT)
        if not self._dialect.serves_content:
            raise NoContentError(job)
        variant = request.query_params.get("variant", "video")
        return await content_response(self._world, request, job, variant)


def read_video(
    dialect: VideosDialect, service: ScenarioService, model: str, fields: RequestFields
) -> OrderReading:
    """Return what a dialect reads from a create; raise InvalidRequestError."""
    measured = dialect.measured(fields)
    size = parse_frame_size(measured.fields, service)
    seconds = parse_clip_length(measured.fields, service, strict=dialect.is_full_api)
    read = replace(
        sized_reading(parse_prompt(fields), size, seconds, model),
        count=measured.count,
        inputs=references.first_frames(dialect.input_reference(fields)),
    )
    return dialect.with_levers(read, fields)


TWIN = Twin("openai_videos", tuple(VIDEO_DIALECTS), "/v1", _routes)
