"""Video generation with failover, inside a program with an event loop; no server is needed.

The client runs the gateway in the program's process: same routes, same attempts, same database. It
shares its videos with servers and other clients on that database. If the program ends, another
process takes over the videos that are still being made.
"""

import asyncio
from collections.abc import Sequence
from typing import Unpack

from tallylight.client.async_video import AsyncVideoHandle
from tallylight.client.create_params import (
    CreateOptions,
    ImageOptions,
    build_create_request,
    build_images_request,
)
from tallylight.client.embedded_gateway import EmbeddedGateway
from tallylight.client.lifecycle import AsyncClient
from tallylight.client.made_images import MadeImage, read_images
from tallylight.clock import Clock, SystemClock
from tallylight.config.settings import Configuration
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.keys import ANONYMOUS
from tallylight.model.ids import VideoId
from tallylight.model.video import Video


class AsyncVideoClient(AsyncClient):
    """Creates videos through the routes of a configuration.

    `async with` opens it, or the first call that needs it. `aclose` closes it.
    """

    def __init__(self, configuration: Configuration, *, clock: Clock | None = None) -> None:
        self._gateway = EmbeddedGateway(configuration, clock or SystemClock())
        self._routes = configuration.routes

    async def create(self, prompt: str, **options: Unpack[CreateOptions]) -> AsyncVideoHandle:
        """Request a video; return its handle once a service has accepted it, or may have.

        Raises:
            ApiError: if no service can or may make the video; nothing is paid then.
            ValueError: if both a policy and a preference are given.
            OSError: if the reference cannot be read.
        """
        # In a thread, because it may read a large file.
        request = await asyncio.to_thread(build_create_request, prompt, options, self._routes)
        return self._handle(
            await self._gateway.call(lambda gateway: gateway.create(request, ANONYMOUS))
        )

    async def images(self, prompt: str, **options: Unpack[ImageOptions]) -> tuple[MadeImage, ...]:
        """Make images, and return them once they are stored.

        Raises:
            ApiError: if there will be none, or none in the time that the route allows.
            ValueError: if both a policy and a preference are given.
            OSError: if a picture cannot be read.
        """
        request = await asyncio.to_thread(build_images_request, prompt, options, self._routes)

        async def make(gateway: Gateway) -> tuple[MadeImage, ...]:
            return await read_images(await gateway.make_images(request, ANONYMOUS))

        return await self._gateway.call(make)

    async def video(self, id: str) -> AsyncVideoHandle:  # noqa: A002  # the API's word
        """Return the handle of a video that any client of this database requested.

        Raises:
            ApiError: if there is no such video.
        """
        return self._handle(
            await self._gateway.call(lambda gateway: gateway.video(VideoId(id), ANONYMOUS))
        )

    async def list(self, limit: int = 20, after: str = "") -> Sequence[AsyncVideoHandle]:
        """Return handles of the videos that clients requested, newest first.

        Args:
            limit: The maximum number.
            after: Only videos older than the one with this id.
        """

        async def page(gateway: Gateway) -> Sequence[Video]:
            found = await gateway.list_videos(
                ANONYMOUS, after=VideoId(after), limit=limit, order="desc"
            )
            return found.videos

        return [self._handle(record) for record in await self._gateway.call(page)]

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        return [*self._routes]

    async def aclose(self) -> None:
        """Release the videos that are still being made, and close database and connections."""
        await self._gateway.aclose()

    async def _open(self) -> object:
        return await self._gateway.open()

    def _handle(self, record: Video) -> AsyncVideoHandle:
        return AsyncVideoHandle(self._gateway, record)
