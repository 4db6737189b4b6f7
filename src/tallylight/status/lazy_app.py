"""Defers making an app to its first request, so that a server starts sooner."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp:
    """An ASGI app that is made when it is first called.

    Args:
        factory: Makes the app; called once, in a thread.
    """

    def __init__(self, factory: Callable[[], ASGIApp]) -> None:
        self._factory = factory
        self._app: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, making the app first if need be."""
        if self._app is None:
            self._app = asyncio.ensure_future(asyncio.to_thread(self._factory))
        # A client that disconnects must not cancel the making for everybody.
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)
