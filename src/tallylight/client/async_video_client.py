"""Videos through the failover, inside of a program with an event loop; no server is needed.

It is the gateway itself, in process: the same routes, the same attempts, the same books. Beside a
server on the same database it works with it; a client that dies leaves its videos to whoever comes
next.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from tallylight.client.async_video import AsyncVideoHandle
from tallylight.client.create_params import ImageInput, build_create_request, policy_or_preference
from tallylight.client.embedded_gateway import EmbeddedGateway
from tallylight.clock import Clock, SystemClock
from tallylight.config.settings import Configuration, load_configuration
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.gateway.routing.routes import DEFAULT_MODEL, Route
from tallylight.model.ids import VideoId
from tallylight.model.video import Video as Record


class AsyncVideoClient:
    """Makes videos by the routes of a configuration.

    Opened by `async with`, or by the first call that needs it; closed by `aclose`.
    """

    def __init__(self, configuration: Configuration, *, clock: Clock | None = None) -> None:
        self._gateway = EmbeddedGateway(configuration, clock or SystemClock())

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Self:
        """Return a client by a configuration file; without one as the command line finds it.

        Raises:
            ConfigurationError: with everything that is wrong in the file.
        """
        return cls(load_configuration(None if path is None else Path(path)))

    async def __aenter__(self) -> Self:
        await self._gateway.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def create(  # noqa: PLR0913  # what can be said of a video
        self,
        prompt: str,
        *,
        model: str = "",
        seconds: int | None = None,
        size: str = "",
        policy: str = "",
        prefer: str = "",
        reference: ImageInput | None = None,
        characters: Sequence[str] = (),
        idempotency_key: str = "",
        extras: Mapping[str, object] | None = None,
    ) -> AsyncVideoHandle:
        """Ask for a video, and return it once a service has accepted it, or may have.

        Args:
            prompt: The text.
            model: The route; without it the only one, else "sora-2".
            seconds: The length; without it the service's usual one.
            size: "1280x720"; without it the service's usual one.
            policy: What it is made for, in place of the route's own policy: "production", ….
            prefer: In place of a policy, one wish above all: "official", "cheapest", ….
            reference: A picture to begin from: a path, the bytes, or an address.
            characters: Ids of characters that appear.
            idempotency_key: Under the same one, the same request is the same video.
            extras: Further fields, passed on as they are.

        Raises:
            RefusalError: if nobody can or may make it; then nothing is or will be paid for it.
            ValueError: for a policy and a preference together.
            OSError: if the reference cannot be read.
        """
        fields = {
            **(extras or {}),
            "prompt": prompt,
            "model": self._route(model),
            "seconds": seconds,
            "size": size,
            "characters": [*characters],
            "policy": policy_or_preference(policy, prefer),
        }
        ask = await asyncio.to_thread(build_create_request, fields, reference, idempotency_key)
        return self._handle(
            await self._gateway.call(lambda gateway: gateway.create(ask, ANONYMOUS)),
        )

    async def video(self, id: str) -> AsyncVideoHandle:  # noqa: A002  # the API's word
        """Return a video that was asked for before, by whichever client of this database.

        Raises:
            RefusalError: if there is none of that id.
        """
        return self._handle(
            await self._gateway.call(lambda gateway: gateway.video(VideoId(id), ANONYMOUS))
        )

    async def list(self, limit: int = 20, after: str = "") -> Sequence[AsyncVideoHandle]:
        """Return the videos that clients asked for, the newest first.

        Args:
            limit: How many at most.
            after: Only those behind the video of this id.
        """

        async def page(gateway: Gateway) -> Sequence[Record]:
            found = await gateway.list_videos(
                ANONYMOUS, after=VideoId(after), limit=limit, order="desc"
            )
            return found.videos

        return [self._handle(record) for record in await self._gateway.call(page)]

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        return [*self._routes]

    async def aclose(self) -> None:
        """Leave videos under way to whoever comes next, and close database and connections."""
        await self._gateway.aclose()

    @property
    def _routes(self) -> Mapping[str, Route]:
        return self._gateway.configuration.routes

    def _handle(self, record: Record) -> AsyncVideoHandle:
        return AsyncVideoHandle(self._gateway, record)

    def _route(self, name: str) -> str:
        """Return the route of a name; the one that is meant where none is named."""
        routes = self._routes
        if name in routes:
            return name
        if name:
            raise _no_route(f"'{name}' is no route", "model_not_found", routes)
        # A service's own route beside its model's leads to the same.
        if len({frozenset(route.services) for route in routes.values()}) == 1:
            return next(iter(routes))
        if DEFAULT_MODEL in routes:
            return DEFAULT_MODEL
        raise _no_route("name a model", "missing_required_parameter", routes)


def _no_route(why: str, code: str, routes: Iterable[str]) -> ApiError:
    message = f"{why}; there are {', '.join(routes)}"
    return ApiError(HTTPStatus.BAD_REQUEST, message, code=code, param="model")
