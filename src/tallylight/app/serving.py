"""The server: the runtime and the page in one process, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Never

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from tallylight.app.budget_advice import BudgetAdviser
from tallylight.app.recommend import RouteRecommender
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import Clock, SystemClock
from tallylight.config import reload
from tallylight.config.settings import Configuration
from tallylight.errors import ConfigurationError, Problem, StorageError, TallylightError
from tallylight.gateway.http.app import GatewayApp
from tallylight.status.application import close_streams, make_status_app
from tallylight.status.ports import StatusSources

log = structlog.get_logger()

_SHUTDOWN_SECONDS = 3


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
    _log_warnings(configuration)
    async with running_server(configuration, clock) as served:
        log.info(
            "server.started", address=served.address, services=len(served.runtime.board.services())
        )
        reloading = asyncio.create_task(_reload_on_change(served.runtime, path, hup), name="reload")
        try:
            await served.run_until(stop, reloading)
        finally:
            reloading.cancel()
    log.info("server.stopped")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server at work.

    Args:
        runtime: What watches.
        address: Where the page is.
        tasks: What works as long as it serves.
    """

    runtime: Runtime
    address: str
    tasks: tuple[asyncio.Task[None], ...]

    async def run_until(self, stop: asyncio.Event, *more: asyncio.Task[Never]) -> None:
        """Return once it shall stop.

        Raises:
            TallylightError: if one of the tasks ends before: a server that has stopped to watch
                must not linger, it would go on showing what stood.
        """
        stopping = asyncio.create_task(stop.wait())
        tasks = (*self.tasks, *more)
        try:
            await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if stop.is_set():
            return
        for task in tasks:
            if task.done():
                error = None if task.cancelled() else task.exception()
                log.critical("server.failed", task=task.get_name(), exc_info=error)
        raise TallylightError("the server ended by a defect of its own; its log says which")


@contextlib.asynccontextmanager
async def running_server(
    configuration: Configuration, clock: Clock
) -> AsyncIterator[RunningServer]:
    """Watch and serve as long as the block lasts.

    Raises:
        ConfigurationError: if the address to listen on cannot be had.
        StorageError: if the database cannot be used, or another server judges on it.
    """
    with _listener(configuration) as listener:
        async with open_runtime(configuration, clock) as runtime:
            if not (runtime.is_leader or runtime.role.is_shared):
                raise StorageError(
                    "database: another tallylight server watches on this database; stop it, give "
                    "this one a database of its own, or share a PostgreSQL"
                )
            watching = asyncio.create_task(runtime.run(), name="watching")
            adviser = BudgetAdviser(lambda: runtime.configuration)
            advising = asyncio.create_task(adviser.run(), name="advice")
            page = make_status_app(_status_state(runtime, watching, adviser))
            server = _Server(
                uvicorn.Config(
                    _with_gateway(page, runtime, clock),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    ws="none",
                    timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                )
            )
            answering = asyncio.create_task(server.serve([listener]), name="page")
            try:
                await server.wait_until_listening(answering)
                host, port = listener.getsockname()[:2]
                address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
                yield RunningServer(runtime, address, (watching, answering))
            finally:
                close_streams(page)
                server.should_exit = True
                watching.cancel()
                advising.cancel()
                await asyncio.gather(watching, advising, answering, return_exceptions=True)


class _Server(uvicorn.Server):
    """uvicorn as a guest in our event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_listening = asyncio.Event()

    async def wait_until_listening(self, server_task: asyncio.Task[None]) -> None:
        """Return once it listens.

        Raises:
            TallylightError: if its task ends instead.
        """
        listens = asyncio.create_task(self._is_listening.wait())
        await asyncio.wait((listens, server_task), return_when=asyncio.FIRST_COMPLETED)
        listens.cancel()
        if server_task.done():
            raise TallylightError("the page cannot be served; the log says why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when the server listens."""
        await super().startup(sockets)
        self._is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to us."""
        yield


def _with_gateway(page: ASGIApp, runtime: Runtime, clock: Clock) -> ASGIApp:
    board = runtime.gateway_wiring
    return GatewayApp(page, board.gateway, board.keys, board.settings, clock)


def _status_state(
    runtime: Runtime, watching: asyncio.Task[None], adviser: BudgetAdviser
) -> StatusSources:
    return StatusSources(
        board=runtime.board,
        history=runtime.history,
        clock=runtime.clock,
        options=runtime.configuration.status,
        plan=runtime.probing.prober,
        total_budget=lambda: runtime.configuration.catalogue.total_budget,
        is_leader=lambda: runtime.is_leader,
        is_ready=lambda: runtime.is_monitoring and not watching.done(),
        advice_source=adviser,
        recommender=RouteRecommender(
            runtime.board, runtime.gateway_wiring.candidates, lambda: runtime.configuration.routes
        ),
        metrics=runtime.gateway_wiring.metrics,
    )


def _listener(configuration: Configuration) -> socket.socket:
    listen = configuration.status.listen
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listen.host, listen.port))
    except OSError as error:
        listener.close()
        where = str(configuration.path or "configuration")
        reason = f"cannot listen on {listen}: {error.strerror}"
        raise ConfigurationError((Problem(where, "status.listen", reason),)) from None
    listener.listen(512)
    return listener


async def _reload_on_change(
    runtime: Runtime, path: Path | None, reload_requested: asyncio.Event
) -> Never:
    refused: frozenset[Path] = frozenset()
    while True:
        # A secret file that the refused one lacks may come while that stays as it is.
        files = runtime.configuration.files | refused
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(_set_on_change(files, runtime.clock, reload_requested))
            await reload_requested.wait()
            looking.cancel()
        reload_requested.clear()
        try:
            found = reload.reload_configuration(runtime.configuration, path)
            await runtime.apply_config(found)
        except TallylightError as error:
            log.error("configuration.refused", problem=str(error))  # noqa: TRY400  # no defect
            refused = error.files if isinstance(error, ConfigurationError) else frozenset()
        else:
            refused = frozenset()
            _log_warnings(found)
            log.info("configuration.reloaded", services=len(runtime.board.services()))


async def _set_on_change(files: Iterable[Path], clock: Clock, event: asyncio.Event) -> None:
    async for _ in reload.file_changes(files, clock):
        event.set()


def _log_warnings(configuration: Configuration) -> None:
    for warning in configuration.warnings:
        log.warning("configuration.warning", problem=str(warning))
