"""Small HTTP servers on loopback, which stand in for what a test calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving(
    application: web.Application, *, shutdown_timeout: float = 60
) -> AsyncIterator[str]:
    """Serve an application on a free port while the block runs; yields "127.0.0.1:12345"."""
    runner = web.AppRunner(application, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()
