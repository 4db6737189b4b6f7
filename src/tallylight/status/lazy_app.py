"""An app that is made by its first request: a server starts sooner that reads less at first."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class Belated:
    """Stands where the app will stand.

    Args:
        make: Makes it; is called once, in a thread.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._making: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._make))
        app = await asyncio.shield(self._making)
        await app(scope, receive, send)
