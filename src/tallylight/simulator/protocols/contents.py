"""The content of completed jobs: by the content call, or at a public URL."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.media import render_image, render_output, with_padding_box
from tallylight.simulator.outcomes import padded_size
from tallylight.simulator.protocols.request_fields import unsupported_value
from tallylight.simulator.refusals import InvalidRequestError, NoContentError
from tallylight.simulator.responses import SimulatedResponse, range_response
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation

_MEDIA_TYPES = {"mp4": "video/mp4", "png": "image/png"}
_VARIANTS = ("video", "thumbnail", "spritesheet")


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


class _FileStoreTexts(RefusalTexts):
    """A file store has its own error texts, not the protocol's."""

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return SimulatedResponse(403, "AccessDenied")

    def unknown_model(self, model: str) -> SimulatedResponse:
        return self.unknown_job(model)

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        return SimulatedResponse(404, "NoSuchKey: the file does not exist or has expired")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        return self.unknown_job(path)

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        return SimulatedResponse(400, f"InvalidArgument: {error.message}")

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return SimulatedResponse(503, f"SlowDown: {state}")


def file_route(kernel: Kernel) -> Route:
    """Return the route of the public file URLs, which need no key."""

    async def serve(exchange: Exchange) -> Response:
        path = exchange.request.path_params
        job = kernel.result(exchange, path["job"], Endpoint.CONTENT)
        if path["index"] >= job.reading.count:
            raise NoContentError(job)
        return await file_response(kernel.world, exchange.request, job)

    routes = RouteMaker(kernel, _FileStoreTexts())
    path = f"/{kernel.upstream}/files/{{job:path}}/{{index:int}}.{{suffix}}"
    return routes.file_route(path, serve)
