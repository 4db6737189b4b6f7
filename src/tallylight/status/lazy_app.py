"""An app that is made by its first request: a server starts sooner that reads less at first."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LazyApp:
    """Stands where the app will stand.

    Args:
        make: Makes it; is called once, in a thread.
    """

    def __init__(self, factory: Callable[[], ASGIApp]) -> None:
        self._factory = factory
        self._app: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            self._app = asyncio.ensure_future(asyncio.to_thread(self._factory))
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)
