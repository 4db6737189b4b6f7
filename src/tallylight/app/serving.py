"""The server: the runtime, the status page and the gateway in one process."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Never

import structlog
import uvicorn
import uvloop

from tallylight.app.budget_advice import BudgetAdviser
from tallylight.app.connections import (
    KEEP_ALIVE_SECONDS,
    ConnectionRegistry,
    bounded_protocol,
    raise_descriptor_limit,
)
from tallylight.app.recommend import RouteRecommender
from tallylight.app.runtime import Runtime, open_runtime
from tallylight.clock import Clock, SystemClock
from tallylight.config import reload
from tallylight.config.settings import Configuration
from tallylight.documents.addresses import is_loopback
from tallylight.errors import (
    ClockCorrectedError,
    ConfigurationError,
    Problem,
    StorageError,
    TallylightError,
)
from tallylight.gateway.http.app import GatewayApp
from tallylight.status.application import close_streams, make_status_app
from tallylight.status.ports import StatusSources
from tallylight.storage.host_clocks import HostClocks

log = structlog.get_logger()

_SHUTDOWN_SECONDS = 3
_REOPEN_DELAY = timedelta(seconds=1)


def run_server(configuration: Configuration, path: Path | None) -> None:
    """Run the server until SIGTERM or SIGINT; SIGHUP or a changed file reloads it.

    Args:
        configuration: The configuration to start with.
        path: The file that the operator named, to be read again on a reload.

    Raises:
        ConfigurationError: if the listen address is taken.
        StorageError: if the database cannot be used, or another server uses its SQLite file.
    """
    uvloop.run(_run(configuration, path, SystemClock()))


async def _run(configuration: Configuration, path: Path | None, clock: Clock) -> None:
    stop, hup = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hup.set)
    _log_warnings(configuration)
    await serve_until(stop, hup, configuration, path, clock)


async def serve_until(
    stop: asyncio.Event,
    hup: asyncio.Event,
    configuration: Configuration,
    path: Path | None,
    clock: Clock,
) -> None:
    """Run the server until an event; open everything anew whenever the clock was set.

    Args:
        stop: Ends the server.
        hup: Asks for a reload.
        configuration: The configuration to start with.
        path: The file that the operator named, to be read again on a reload.
        clock: The clock of the process.
    """
    seen = reload.file_signatures(configuration.files)  # a change while it opens counts
    host_clocks, opens_anew = HostClocks(clock), False
    with _listener(configuration) as listener:  # callers wait while the rest opens anew
        while not stop.is_set():
            try:
                async with _serving_at(listener, configuration, clock, host_clocks) as served:
                    opens_anew = False
                    count = len(served.runtime.board.services())
                    log.info("serving", address=served.address, services=count)
                    reloading = asyncio.create_task(
                        _reload_on_change(served.runtime, path, hup, seen), name="reload"
                    )
                    try:
                        await served.run_until(stop, reloading)
                    except ClockCorrectedError:
                        opens_anew = True
                        log.warning("server.opens_anew", reason="the clock was set")
                    finally:
                        reloading.cancel()
                        configuration = served.runtime.configuration
            except StorageError as error:
                if not opens_anew:
                    raise
                log.warning("server.database_unavailable", error=str(error))
                await clock.sleep(_REOPEN_DELAY)
    log.info("stopped")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server.

    Args:
        tasks: Tasks that must not end while the server runs.
    """

    runtime: Runtime
    address: str
    tasks: tuple[asyncio.Task[None], ...]

    async def run_until(self, stop: asyncio.Event, *more: asyncio.Task[Never]) -> None:
        """Wait for the stop event.

        Raises:
            ClockCorrectedError: if the clock was set, so that the server has to open anew.
            TallylightError: if one of the tasks ends before. A server that no longer monitors must
                stop, or it would keep showing old verdicts.
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
                if isinstance(error, ClockCorrectedError):
                    raise error
                log.critical("server.failed", task=task.get_name(), exc_info=error)
        raise TallylightError("the server stopped because of an internal error; see its log")


@contextlib.asynccontextmanager
async def running_server(
    configuration: Configuration, clock: Clock
) -> AsyncIterator[RunningServer]:
    """Run the server inside the block.

    Raises:
        ConfigurationError: if the listen address is not available.
        StorageError: if the database cannot be used, or another server uses its SQLite file.
    """
    with _listener(configuration) as listener:
        async with _serving_at(listener, configuration, clock, HostClocks(clock)) as served:
            yield served


@contextlib.asynccontextmanager
async def _serving_at(
    listener: socket.socket, configuration: Configuration, clock: Clock, host_clocks: HostClocks
) -> AsyncIterator[RunningServer]:
    async with open_runtime(configuration, clock, host_clocks=host_clocks) as runtime:
        if not (runtime.is_leader or runtime.role.is_shared):
            raise StorageError(
                "database: another tallylight server uses this database; stop it, give "
                "this one its own database, or share a PostgreSQL"
            )
        monitoring = asyncio.create_task(runtime.run(), name="monitor")
        adviser = BudgetAdviser(lambda: runtime.configuration)
        advice_task = asyncio.create_task(adviser.run(), name="advice")
        wiring = runtime.gateway_wiring
        connections = ConnectionRegistry(
            raise_descriptor_limit(), configuration.status.connections_per_client
        )
        page = make_status_app(_status_state(runtime, monitoring, adviser))
        server = _Server(
            uvicorn.Config(
                GatewayApp(page, wiring.gateway, wiring.keys, wiring.settings, clock),
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                http=bounded_protocol(connections),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        serving = asyncio.create_task(server.serve([listener.dup()]), name="page")
        try:
            await server.wait_until_listening(serving)
            host, port = listener.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            yield RunningServer(runtime, address, (monitoring, serving))
        finally:
            close_streams(page)
            server.should_exit = True
            monitoring.cancel()
            advice_task.cancel()
            await asyncio.gather(monitoring, advice_task, serving, return_exceptions=True)


class _Server(uvicorn.Server):
    """Runs uvicorn inside our event loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_listening = asyncio.Event()

    async def wait_until_listening(self, server_task: asyncio.Task[None]) -> None:
        """Wait until the server listens.

        Raises:
            TallylightError: if its task ends before.
        """
        listens = asyncio.create_task(self._is_listening.wait())
        await asyncio.wait((listens, server_task), return_when=asyncio.FIRST_COMPLETED)
        listens.cancel()
        if server_task.done():
            raise TallylightError("the status page cannot be served; see the log")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server and report that it listens."""
        await super().startup(sockets)
        self._is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `_run`, which handles them for the whole process."""
        yield


def _status_state(
    runtime: Runtime, monitoring: asyncio.Task[None], adviser: BudgetAdviser
) -> StatusSources:
    return StatusSources(
        board=runtime.board,
        history=runtime.history,
        clock=runtime.clock,
        options=runtime.configuration.status,
        plan=runtime.probing.prober,
        total_budget=lambda: runtime.configuration.catalogue.total_budget,
        is_leader=lambda: runtime.is_leader,
        is_ready=lambda: runtime.is_monitoring and not monitoring.done(),
        advice=adviser.advice,
        recommender=RouteRecommender(
            runtime.board, runtime.gateway_wiring.candidates, lambda: runtime.configuration.routes
        ),
        metrics=runtime.gateway_wiring.metrics,
        is_loopback=is_loopback(f"http://{runtime.configuration.status.listen}"),
        evidence_kept=lambda: runtime.configuration.retention.evidence,
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
    runtime: Runtime,
    path: Path | None,
    reload_requested: asyncio.Event,
    seen: reload.FileSignatures,
) -> Never:
    refused: frozenset[Path] = frozenset()
    while True:
        # The refused file may lack a secret file that appears later, so watch that one too.
        files = runtime.configuration.files | refused
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(
                _set_on_change(files, runtime.clock, reload_requested, seen)
            )
            await reload_requested.wait()
            polling.cancel()
        reload_requested.clear()
        seen = reload.file_signatures(files)  # before the reading: a change during it counts
        try:
            found = await reload.reload_configuration(runtime.configuration, path)
            await runtime.apply_config(found)
        except TallylightError as error:
            log.error("configuration.refused", problem=str(error))  # noqa: TRY400  # no defect
            refused = error.files if isinstance(error, ConfigurationError) else frozenset()
        except Exception:  # root of a reload: the server goes on with what it has
            log.exception("configuration.refused", problem="a defect of tallylight")
            refused = frozenset()
        else:
            refused = frozenset()
            _log_warnings(found)
            log.info("configuration.reloaded", services=len(runtime.board.services()))


async def _set_on_change(
    files: Iterable[Path], clock: Clock, event: asyncio.Event, since: reload.FileSignatures
) -> None:
    async for _ in reload.file_changes(files, clock, since=since):
        event.set()


def _log_warnings(configuration: Configuration) -> None:
    for warning in configuration.warnings:
        log.warning("configuration.warning", problem=str(warning))
