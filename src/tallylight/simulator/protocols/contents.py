"""The content of completed jobs: by the content call, or at a public URL."""

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.media import render_image, render_output, with_padding_box
from tallylight.simulator.outcomes import JobStatus, is_expired, padded_size
from tallylight.simulator.protocols.request_fields import unsupported_value
from tallylight.simulator.responses import range_response
from tallylight.simulator.world import Simulation

_MEDIA_TYPES = {"mp4": "video/mp4", "png": "image/png"}
_VARIANTS = ("video", "thumbnail", "spritesheet")


def has_expired(world: Simulation, job: SimulatedJob) -> bool:
    """Tell whether the content of a finished job has expired."""
    finished_for = world.second() - (job.ends_at or 0.0)
    return is_expired(world.active_faults(job.service), finished_for)


async def content_response(
    world: Simulation, request: Request, job: SimulatedJob, variant: str
) -> Response:
    """Return a variant of a completed job; raise InvalidRequestError for an unknown variant."""
    if variant not in _VARIANTS:
        raise unsupported_value("variant", variant, _VARIANTS)
    if variant != "video":
        data = await asyncio.to_thread(render_image, job.outcome.output.size, "webp")
        return range_response(request, data, "image/webp")
    return await file_response(world, request, job)


async def file_response(world: Simulation, request: Request, job: SimulatedJob) -> Response:
    """Return the file of a completed job."""
    data = await asyncio.to_thread(render_output, job.outcome.output)
    data, padding = with_padding_box(data, padded_size(world.active_faults(job.service)))
    suffix = "mp4" if job.requested.seconds else "png"
    return range_response(request, data, _MEDIA_TYPES[suffix], {"etag": f'"{job.id}"'}, padding)


def file_route(world: Simulation, upstream: str) -> Route:
    """Return the route of the public file URLs, which need no key."""

    async def serve(request: Request) -> Response:
        job = world.job(upstream, request.path_params["job"])
        if (
            job is None
            or job.progress_at(world.second()).status is not JobStatus.COMPLETED
            or has_expired(world, job)
        ):
            # A file store has its own error text, not the protocol's.
            return PlainTextResponse("NoSuchKey: the file does not exist or has expired", 404)
        return await file_response(world, request, job)

    return Route(f"/{upstream}/files/{{job}}.{{suffix}}", serve)
