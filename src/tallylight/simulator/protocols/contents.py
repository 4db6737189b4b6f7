"""What a finished job delivers: behind the content call, or under a link of its own."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tallylight.simulator.answers import bytes_answer
from tallylight.simulator.media import delivery, padding_of, still
from tallylight.simulator.outcomes import Step, is_expired, padded_size
from tallylight.simulator.protocols.orders import InvalidError
from tallylight.simulator.world import Job, World

_MEDIA_TYPES = {"mp4": "video/mp4", "png": "image/png"}
_VARIANTS = ("video", "thumbnail", "spritesheet")


def is_gone(world: World, job: Job) -> bool:
    """Tell whether a finished job's video has expired."""
    finished_for = world.second() - (job.ends_at or 0.0)
    return is_expired(world.troubles(job.service), finished_for)


async def content_answer(world: World, request: Request, job: Job, variant: str) -> Response:
    """Return a completed job's video, thumbnail or sprite sheet.

    Raises:
        InvalidError: if there is no such variant.
    """
    if variant not in _VARIANTS:
        allowed = ", ".join(f"'{one}'" for one in _VARIANTS)
        raise InvalidError(
            f"Invalid value: '{variant}'. Supported values are: {allowed}.",
            "variant",
            "invalid_value",
        )
    if variant != "video":
        data = await asyncio.to_thread(still, job.fate.result.size, "webp")
        return bytes_answer(request, data, "image/webp")
    return await file_answer(world, request, job)


async def file_answer(world: World, request: Request, job: Job) -> Response:
    """Return the bytes of a completed job."""
    data = await asyncio.to_thread(delivery, job.fate.result)
    data, padding = padding_of(data, padded_size(world.troubles(job.service)))
    suffix = "mp4" if job.asked.seconds else "png"
    return bytes_answer(request, data, _MEDIA_TYPES[suffix], {"etag": f'"{job.id}"'}, padding)


def file_route(world: World, upstream: str) -> Route:
    """Return the route under which links to finished files lie; whoever has one needs no key."""

    async def serve(request: Request) -> Response:
        job = world.job(upstream, request.path_params["job"])
        if (
            job is None
            or job.stage(world.second()).step is not Step.COMPLETED
            or is_gone(world, job)
        ):
            # A store of files answers in its own words, not in the protocol's.
            return PlainTextResponse("NoSuchKey: the file does not exist or has expired", 404)
        return await file_answer(world, request, job)

    return Route(f"/{upstream}/files/{{job}}.{{suffix}}", serve)
