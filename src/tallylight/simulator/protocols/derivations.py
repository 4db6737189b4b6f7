"""Videos made from videos, and characters; relays have only the remix."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.dialect import VideosDialect
from tallylight.simulator.protocols.request_fields import (
    RequestFields,
    missing_parameter,
    parse_clip_length,
    parse_fields,
    parse_prompt,
    parse_source_video,
)
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.world import JobRequest

_MAX_NAME_LENGTH = 80
_MAX_TOTAL_SECONDS = 120  # of a stitched video


@dataclass(frozen=True, slots=True)
class _Character:
    id: str
    name: str
    created_at: int


class DerivedVideoHandlers:
    """Handlers of remix, edit, extend and characters."""

    def __init__(self, kernel: Kernel, dialect: VideosDialect) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._dialect = dialect
        self._characters: dict[str, _Character] = {}

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        return self._kernel.authenticate(self._dialect.given_key(exchange.request))

    async def remix(self, exchange: Exchange) -> Response:
        """Generate a completed video again with another prompt."""
        key = self._authenticate(exchange)
        prompt = parse_prompt(await parse_fields(exchange.request))
        parent = self._completed_job(exchange.request.path_params["job"])
        return await self._create_derived(exchange, key, parent, prompt, parent.requested.seconds)

    async def edit(self, exchange: Exchange) -> Response:
        """Edit a completed or an uploaded video."""
        key = self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        prompt = parse_prompt(fields)
        parent = self._source_job(fields)
        seconds = None if parent is None else parent.requested.seconds
        return await self._create_derived(exchange, key, parent, prompt, seconds, is_remix=False)

    async def extend(self, exchange: Exchange) -> Response:
        """Extend a video; the job shows the total length, only the added seconds are charged."""
        key = self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        prompt = parse_prompt(fields)
        parent = self._source_job(fields)
        name = self._default_service(key) if parent is None else parent.service
        if fields.values.get("seconds") is None:
            raise missing_parameter("seconds")
        added = parse_clip_length(fields, self._kernel.service(name), strict=True)
        total = added + (0 if parent is None else parent.requested.seconds)
        if total > _MAX_TOTAL_SECONDS:
            message = f"The stitched video would be longer than {_MAX_TOTAL_SECONDS} seconds."
            raise InvalidRequestError(message, "seconds", "invalid_value")
        return await self._create_derived(
            exchange, key, parent, prompt, total, added, is_remix=False
        )

    def _default_service(self, key: ScenarioKey) -> str:
        return next(iter(self._kernel.services(key)))

    def _source_job(self, fields: RequestFields) -> SimulatedJob | None:
        job_id = parse_source_video(fields)
        return None if job_id is None else self._completed_job(job_id)

    def _completed_job(self, job_id: str) -> SimulatedJob:
        job = self._kernel.find_job(job_id)
        if self._kernel.progress(job).status is not JobStatus.COMPLETED:
            raise InvalidRequestError(
                "The source video is not completed.", "video", "invalid_value"
            )
        return job

    async def _create_derived(  # noqa: PLR0913, PLR0917  # the values of the new job
        self,
        exchange: Exchange,
        key: ScenarioKey,
        parent: SimulatedJob | None,
        prompt: str,
        seconds: int | None,
        billed_seconds: int | None = None,
        *,
        is_remix: bool = True,
    ) -> Response:
        name = self._default_service(key) if parent is None else parent.service
        service = self._kernel.service(name)
        size = service.sizes[0] if parent is None else parent.requested.size
        model = service.model if parent is None else parent.requested.model
        length = service.lengths[0] if seconds is None else seconds
        order = JobRequest(
            service=name,
            reading=sized_reading(prompt, size, length, model),
            billed_seconds=billed_seconds,
            parent=parent.id if parent is not None and is_remix else "",
        )
        job_id = self._dialect.new_id(self._world.random_hex())
        job = self._kernel.create(exchange, key, order, job_id)
        return JSONResponse(self._dialect.job_object(self._world, job))

    async def create_character(self, exchange: Exchange) -> Response:
        """Create a character from an uploaded video."""
        self._authenticate(exchange)
        fields = await parse_fields(exchange.request)
        name = fields.text("name") or ""
        if not 1 <= len(name) <= _MAX_NAME_LENGTH:
            message = f"Invalid 'name': expected 1 to {_MAX_NAME_LENGTH} characters."
            raise InvalidRequestError(message, "name", "invalid_value")
        if not isinstance(fields.values.get("video"), UploadFile):
            raise missing_parameter("video")
        created_at = int(self._world.clock.unix_time())
        character = _Character(f"char_{self._world.random_hex()}", name, created_at)
        self._characters[character.id] = character
        return _character_response(character)

    async def get_character(self, exchange: Exchange) -> Response:
        """Return a character."""
        self._authenticate(exchange)
        character_id = exchange.request.path_params["character"]
        character = self._characters.get(character_id)
        if character is None:
            raise UnknownJobError(character_id)
        return _character_response(character)


def _character_response(character: _Character) -> Response:
    return JSONResponse(
        {"id": character.id, "name": character.name, "created_at": character.created_at}
    )
