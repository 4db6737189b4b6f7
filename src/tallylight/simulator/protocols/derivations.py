"""Videos made from videos, and characters: remix, edits, extensions; official servers only."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.simulator.faults import Door, Hang, Refuse, Reset
from tallylight.simulator.outcomes import Step
from tallylight.simulator.protocols.guard import Gate, RefusedError
from tallylight.simulator.protocols.orders import (
    Fields,
    InvalidError,
    fields_of,
    prompt_of,
    seconds_of,
    source_video,
)
from tallylight.simulator.scenario import Key
from tallylight.simulator.world import Commission, Job

_NAME_LIMIT = 80
_TOTAL_LIMIT = 120  # seconds, of a stitched video


@dataclass(frozen=True, slots=True)
class _Character:
    id: str
    name: str
    created_at: int


class Derivations:
    """The operations that came after the first six."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._world = gate.world
        self._characters: dict[str, _Character] = {}

    async def remix(self, request: Request) -> Response:
        """Make a finished video anew with another prompt."""
        key = self._gate.key(request)
        prompt = prompt_of(await fields_of(request))
        parent = self._finished(request.path_params["job"])
        return await self._derived(request, key, parent, prompt, parent.asked.seconds)

    async def edit(self, request: Request) -> Response:
        """Change a finished or an uploaded video."""
        key = self._gate.key(request)
        fields = await fields_of(request)
        prompt = prompt_of(fields)
        parent = self._source(fields)
        seconds = None if parent is None else parent.asked.seconds
        return await self._derived(request, key, parent, prompt, seconds, is_remix=False)

    async def extend(self, request: Request) -> Response:
        """Add seconds to a video; the answer shows the stitched total, the bill the addition."""
        key = self._gate.key(request)
        fields = await fields_of(request)
        prompt = prompt_of(fields)
        parent = self._source(fields)
        name = self._service(key) if parent is None else parent.service
        if fields.values.get("seconds") is None:
            message = "Missing required parameter: 'seconds'."
            raise InvalidError(message, "seconds", "missing_required_parameter")
        added = seconds_of(fields, self._world.scenario.services[name], strict=True)
        total = added + (0 if parent is None else parent.asked.seconds)
        if total > _TOTAL_LIMIT:
            message = f"The stitched video would be longer than {_TOTAL_LIMIT} seconds."
            raise InvalidError(message, "seconds", "invalid_value")
        return await self._derived(request, key, parent, prompt, total, added, is_remix=False)

    def _service(self, key: Key) -> str:
        return next(iter(self._world.open_to(self._gate.upstream, key)))

    def _source(self, fields: Fields) -> Job | None:
        video = source_video(fields)
        return None if video is None else self._finished(video)

    def _finished(self, job_id: str) -> Job:
        job = self._world.job(self._gate.upstream, job_id)
        if job is None:
            raise RefusedError(self._gate.shape.unknown_job(job_id))
        if job.stage(self._world.second()).step is not Step.COMPLETED:
            raise InvalidError("The source video is not completed.", "video", "invalid_value")
        return job

    async def _derived(  # noqa: PLR0913, PLR0917  # each is another fact of the new job
        self,
        request: Request,
        key: Key,
        parent: Job | None,
        prompt: str,
        seconds: int | None,
        billed_seconds: int | None = None,
        *,
        is_remix: bool = True,
    ) -> Response:
        self._gate.pay(key)
        name = self._service(key) if parent is None else parent.service
        service = self._world.scenario.services[name]
        trouble = self._world.struck(name, Door.CREATE)
        asked = Commission(
            service=name,
            prompt=prompt,
            size=service.sizes[0] if parent is None else parent.asked.size,
            seconds=service.lengths[0] if seconds is None else seconds,
            model=service.model if parent is None else parent.asked.model,
            billed_seconds=billed_seconds,
            parent=parent.id if parent is not None and is_remix else "",
            owner=key.key,
            answered=not isinstance(trouble, Hang | Reset | Refuse),
        )
        job_id = self._gate.shape.id_prefix + self._world.token()
        if isinstance(trouble, Hang | Reset | Refuse) and trouble.accepts:
            self._world.accept(asked, None, job_id)
        if obstructed := await self._gate.obstruct(request, trouble, asked.model):
            return obstructed
        job = self._world.accept(asked, trouble, job_id)
        return JSONResponse(self._gate.shape.job(self._world, job))

    async def make_character(self, request: Request) -> Response:
        """Keep a character from an uploaded video."""
        self._gate.key(request)
        fields = await fields_of(request)
        name = fields.text("name") or ""
        if not 1 <= len(name) <= _NAME_LIMIT:
            message = f"Invalid 'name': expected 1 to {_NAME_LIMIT} characters."
            raise InvalidError(message, "name", "invalid_value")
        if not isinstance(fields.values.get("video"), UploadFile):
            message = "Missing required parameter: 'video'."
            raise InvalidError(message, "video", "missing_required_parameter")
        created_at = int(self._world.pace.unix())
        character = _Character(f"char_{self._world.token()}", name, created_at)
        self._characters[character.id] = character
        return _shown(character)

    async def character(self, request: Request) -> Response:
        """Show a character."""
        self._gate.key(request)
        character = self._characters.get(request.path_params["character"])
        if character is None:
            raise RefusedError(self._gate.shape.unknown_job(request.path_params["character"]))
        return _shown(character)


def _shown(character: _Character) -> Response:
    return JSONResponse(
        {"id": character.id, "name": character.name, "created_at": character.created_at}
    )
