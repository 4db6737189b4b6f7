"""The server: the runtime and the page in one process, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog
import uvicorn
import uvloop

from tallylight.app import reload
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.app.settings import Configuration
from tallylight.clock import Clock, SystemClock
from tallylight.errors import ConfigurationError, Problem, StorageError, TallylightError
from tallylight.status.application import make_app
from tallylight.status.ports import StatusState

log = structlog.get_logger()

_STOPPING_SECONDS = 3


def run_server(configuration: Configuration, path: Path | None) -> None:
    """Watch and serve until SIGTERM or SIGINT; SIGHUP and a changed file reload.

    Args:
        configuration: What to begin with.
        path: The file that it was asked to come from, to be read again.

    Raises:
        ConfigurationError: if the address to listen on is taken.
        StorageError: if the database cannot be used, or another server judges on it.
    """
    uvloop.run(_run(configuration, path, SystemClock()))


async def _run(configuration: Configuration, path: Path | None, clock: Clock) -> None:
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    for warning in configuration.warnings:
        log.warning("configuration.unwise", problem=str(warning))
    async with serving(configuration, clock) as (runtime, address):
        log.info("serving", address=address, services=len(runtime.board.services()))
        reloading = asyncio.create_task(_keep_reloading(runtime, path, hup), name="reload")
        await stop.wait()
        reloading.cancel()


@contextlib.asynccontextmanager
async def serving(configuration: Configuration, clock: Clock) -> AsyncIterator[tuple[Runtime, str]]:
    """Watch and serve as long as the block lasts; yields the runtime and the page's address.

    Raises:
        ConfigurationError: if the address to listen on cannot be had.
        StorageError: if the database cannot be used, or another server judges on it.
    """
    with _listener(configuration) as listener:
        async with open_runtime(configuration, clock) as runtime:
            if not runtime.is_judge:
                raise StorageError(
                    "database: another tallylight server watches on this database; stop it, or "
                    "give this one a database of its own"
                )
            server = _Server(
                uvicorn.Config(
                    make_app(_state(runtime)),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    ws="none",
                    timeout_graceful_shutdown=_STOPPING_SECONDS,
                )
            )
            watching = asyncio.create_task(runtime.run(), name="watching")
            answering = asyncio.create_task(server.serve([listener]), name="page")
            try:
                await server.listens.wait()
                host, port = listener.getsockname()[:2]
                yield runtime, f"http://{f'[{host}]' if ':' in host else host}:{port}"
            finally:
                server.should_exit = True
                watching.cancel()
                await asyncio.gather(watching, answering, return_exceptions=True)


class _Server(uvicorn.Server):
    """uvicorn as a guest in our event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when the server listens."""
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to us."""
        yield


def _state(runtime: Runtime) -> StatusState:
    return StatusState(
        board=runtime.board,
        history=runtime.history,
        clock=runtime.clock,
        options=runtime.configuration.status,
        plan=runtime.prober,
        total_budget=lambda: runtime.configuration.catalogue.total_budget,
        is_probing=lambda: runtime.prober.is_running,
    )


def _listener(configuration: Configuration) -> socket.socket:
    listen = configuration.status.listen
    listener = socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listen.host, listen.port))
    except OSError as error:
        listener.close()
        where = str(configuration.source or "configuration")
        reason = f"cannot listen on {listen}: {error.strerror}"
        raise ConfigurationError((Problem(where, "status.listen", reason),)) from None
    listener.listen(512)
    return listener


async def _keep_reloading(runtime: Runtime, path: Path | None, hup: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_ring_on_change(runtime, hup))
        while True:
            await hup.wait()
            hup.clear()
            try:
                found = reload.reload(runtime.configuration, path)
                await runtime.adopt(found)
            except TallylightError as error:
                log.error("configuration.refused", problem=str(error))  # noqa: TRY400  # no defect
            else:
                log.info("configuration.reloaded", services=len(runtime.board.services()))


async def _ring_on_change(runtime: Runtime, hup: asyncio.Event) -> None:
    async for _ in reload.changes(runtime.configuration.files, runtime.clock):
        hup.set()
